import type { ExecutionContext } from 'ava';
import type { Limits } from '../../ts/dataplane/ebpf/shared-maps.js';
import { flowAgeNow, shiftOf, ticksOf } from '../../ts/dataplane/ebpf/ticks.js';
import { rootTest } from '../helpers/needs.js';
import { type Action, answer, type Case, forwarded, type Hook, repliedFrom, send, set } from './case.js';
import { type Talk, tcpTalks } from './cases/talk.js';
import { openPlane } from './plane.js';
import { runCase } from './run.js';
import { sharePlane } from './shared-plane.js';

/** The smallest table there is. */
const FLOWS = 16;
/** So many that no set of the table is left with room, wherever the hash puts them. */
const MANY = 120;

const ports = (from: number) => Array.from({ length: MANY }, (_, i) => from + i);

/** A connection that both sides have spoken on. */
function established(talk: Talk, sport: number): Action[] {
  const backend = talk.backend(1);
  return [
    send(talk.ask('S', { sport }), forwarded([backend])),
    answer(talk.reply(backend, 'SA', { dport: sport }), repliedFrom(talk.vip)),
    send(talk.ask('A', { sport }), forwarded([backend])),
  ];
}

const small = sharePlane({ flows: FLOWS });

async function runSmall(t: ExecutionContext, hook: Hook, one: Omit<Case, 'name'>): Promise<void> {
  const plane = await small();
  await plane.reset();
  await runCase(t, plane, { name: '', ...one }, hook);
}

async function runWith(
  t: ExecutionContext,
  hook: Hook,
  limits: Partial<Limits>,
  one: Omit<Case, 'name'>,
): Promise<void> {
  const plane = await openPlane(limits);
  try {
    await runCase(t, plane, { name: '', ...one }, hook);
  } finally {
    await plane.close();
  }
}

for (const hook of ['xdp', 'tc'] as const) {
  for (const talk of tcpTalks) {
    const backend = talk.backend(1);
    const vips = { [talk.key]: talk.backends(1) };
    const open = (sport: number) => send(talk.ask('S', { sport }), forwarded([backend]));

    rootTest(`${hook}: ${talk.name}: in a full table a new flow takes the place of an unanswered one`, async (t) => {
      const actions = ports(40000).map(open);
      await runSmall(t, hook, { vips, actions, verdicts: { forwarded: MANY, evicted: MANY - FLOWS } });
    });

    rootTest(`${hook}: ${talk.name}: a flood of new flows cannot push out established ones`, async (t) => {
      const actions = [
        ...ports(40000).flatMap((sport) => established(talk, sport)),
        ...ports(50000).map(open),
        ...ports(50000).map((dport) => answer(talk.reply(backend, 'SA', { dport }), repliedFrom(talk.vip))),
        ...ports(40000).map((dport) => answer(talk.reply(backend, 'A', { dport }), repliedFrom(talk.vip))),
      ];
      const overflowed = MANY - FLOWS + MANY;
      await runSmall(t, hook, { vips, actions, verdicts: { forwarded: 3 * MANY, replied: 3 * MANY, overflowed } });
    });

    rootTest(`${hook}: ${talk.name}: flows that a version before has put beside the table are found`, async (t) => {
      const plane = await small();
      await plane.reset();
      const overflowed = MANY - FLOWS;
      const begun = { actions: ports(40000).flatMap((sport) => established(talk, sport)) };
      const gone = {
        actions: ports(40000).map((dport) => answer(talk.reply(backend, 'A', { dport }), repliedFrom(talk.vip))),
      };
      const both = { name: '', vips };
      await runCase(
        t,
        plane,
        { ...both, ...begun, verdicts: { forwarded: 2 * MANY, replied: MANY, overflowed } },
        hook,
      );
      const use = plane.openMap('overflow_use');
      t.is(use.get(Buffer.alloc(4))?.readUInt32LE(), 1);
      use.set(Buffer.alloc(4), Buffer.alloc(4));
      use.close();
      await plane.engage();
      await runCase(t, plane, { ...both, ...gone, verdicts: { replied: MANY } }, hook);
    });

    rootTest(`${hook}: ${talk.name}: connections that end make room`, async (t) => {
      const actions = [
        ...ports(40000).flatMap((sport) => established(talk, sport)),
        ...ports(40000).map((sport) => send(talk.ask('FA', { sport }), forwarded([backend]))),
        ...ports(50000).map(open),
      ];
      const verdicts = {
        forwarded: 4 * MANY,
        replied: MANY,
        overflowed: MANY - FLOWS,
        evicted: MANY,
      };
      await runSmall(t, hook, { vips, actions, verdicts });
    });

    rootTest(
      `${hook}: ${talk.name}: what takes the place of a removed backend does not inherit its flows`,
      async (t) => {
        const [one, two] = [talk.backend(1), talk.backend(2)];
        const other = (chosen: string) => (chosen === one ? two : one);
        // It drains, so that only a flow that is taken for its own could go there.
        const beside = (n: number) => set(talk.key, (chosen) => ({ [other(chosen)]: 1, [talk.backend(n)]: 0 }));
        const alone = set(talk.key, (chosen) => ({ [other(chosen)]: 1 }));
        const actions = [
          send(talk.ask('S'), forwarded([one, two])),
          // Of three places the fourth backend gets the one that was given back first.
          ...[alone, beside(3), alone, beside(4)],
          send(talk.ask('PA'), forwarded([one, two])),
        ];
        const setting = { vips: { [talk.key]: talk.backends(2) }, actions, verdicts: { forwarded: 2 } };
        await runWith(t, hook, { backends: 3 }, setting);
      },
    );
  }
}

rootTest('the age of a flow is known without a program that could be asked', async (t) => {
  const plane = await small();
  const { hz } = plane.settings();
  const program = plane.openProgram('tc_ticks');
  const age = (ticksOf(program) >>> shiftOf(hz * 16)) & 1023;
  program.close();
  t.true(((flowAgeNow(hz) - age + 1024) & 1023) <= 1, 'the same, or the next one by now');
});
