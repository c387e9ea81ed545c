import test, { type ExecutionContext } from 'ava';
import { answer, type Case, forwarded, type Hook, repliedFrom, send } from './case.js';
import { type Talk, tcpTalks } from './cases/talk.js';
import { openPlane } from './plane.js';
import { runCase } from './run.js';

/** Eight flows fill a table of one set. */
const FLOWS = 8;

const ports = (count: number, from: number) => Array.from({ length: count }, (_, i) => from + i);

/** A connection that both sides have spoken on. */
function established(talk: Talk, sport: number) {
  const [backend] = talk.names(1) as [string];
  return [
    send(talk.ask('S', { sport }), forwarded([backend])),
    answer(talk.reply(backend, 'SA', { dport: sport }), repliedFrom(talk.vip)),
    send(talk.ask('A', { sport }), forwarded([backend])),
  ];
}

async function runSmall(t: ExecutionContext, hook: Hook, one: Case): Promise<void> {
  const plane = await openPlane({ flows: FLOWS });
  try {
    await runCase(t, plane, one, hook);
  } finally {
    await plane.close();
  }
}

for (const hook of ['xdp', 'tc'] as const) {
  for (const talk of tcpTalks) {
    const [backend] = talk.names(1) as [string];
    const vips = { [talk.key]: talk.backends(1) };
    const open = (sport: number) => send(talk.ask('S', { sport }), forwarded([backend]));

    test.serial(`${hook}: ${talk.name}: in a full table a new flow takes the place of an unanswered one`, async (t) => {
      const actions = [...ports(FLOWS, 40000).map(open), ...ports(3, 50000).map(open)];
      await runSmall(t, hook, { name: '', vips, actions, verdicts: { forwarded: FLOWS + 3, evicted: 3 } });
    });

    test.serial(`${hook}: ${talk.name}: a flood of new flows cannot push out established ones`, async (t) => {
      const old = ports(FLOWS, 40000);
      const flood = ports(100, 50000);
      const actions = [
        ...old.flatMap((sport) => established(talk, sport)),
        ...flood.map(open),
        answer(talk.reply(backend, 'SA', { dport: 50000 }), repliedFrom(talk.vip)),
        ...old.map((dport) => answer(talk.reply(backend, 'A', { dport }), repliedFrom(talk.vip))),
      ];
      const verdicts = { forwarded: FLOWS * 2 + 100, replied: FLOWS * 2 + 1, untracked: 100 };
      await runSmall(t, hook, { name: '', vips, actions, verdicts });
    });

    test.serial(`${hook}: ${talk.name}: a connection that ended makes room`, async (t) => {
      const actions = [
        ...ports(FLOWS, 40000).flatMap((sport) => established(talk, sport)),
        send(talk.ask('FA', { sport: 40003 }), forwarded([backend])),
        open(50000),
        answer(talk.reply(backend, 'SA', { dport: 50000 }), repliedFrom(talk.vip)),
      ];
      const verdicts = { forwarded: FLOWS * 2 + 2, replied: FLOWS + 1, evicted: 1 };
      await runSmall(t, hook, { name: '', vips, actions, verdicts });
    });
  }
}
