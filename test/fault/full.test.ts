import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { ServiceInput } from '../../ts/model/schema.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent, type OpenDialogue } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { runAt } from '../helpers/programs.js';
import { setScene } from '../helpers/scene.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Tables that fill up: what is established stays, what is new is forwarded, and somebody is told before it is too late.

const manySockets = fileURLToPath(new URL('../helpers/programs/many-sockets.js', import.meta.url));
const vip = '11.0.0.80:80';
const target = targetOf({ name: '', vip, backends: [] });
const small = ['--max-flows', '1024', '--max-exact-flows', '64'];

const web = (servers: readonly EchoServer[], policy = {}) => serviceOf('web', vip, servers, policy);
/** Nobody listens there, so that nothing proves these flows. */
const silent = (servers: readonly EchoServer[], policy = {}): ServiceInput => {
  const backends = servers.map(({ v4 }) => `${v4}:9`);
  return { name: 'silent', vip: '11.0.0.81:53', protocol: 'udp', backends, ...policy };
};

async function openMany(client: Agent, count: number): Promise<OpenDialogue[]> {
  const all: OpenDialogue[] = [];
  while (all.length < count) {
    const length = Math.min(50, count - all.length);
    all.push(...(await Promise.all(Array.from({ length }, () => client.open('tcp', target)))));
  }
  return all;
}

const namesOf = async (all: readonly OpenDialogue[]) =>
  (await Promise.all(all.map((dialogue) => dialogue.ask()))).map((answer) => answer.error ?? answer.name);

async function events(daemon: Daemon, kind: string) {
  const found = [];
  for await (const event of await daemon.client.events({ follow: false })) if (event.kind === kind) found.push(event);
  return found;
}

async function alarmed(daemon: Daemon, table: string, alarm: boolean): Promise<void> {
  await until(`${table} ${alarm ? 'in' : 'without'} alarm`, 40_000, async () => {
    const { tables } = await daemon.client.status();
    return tables.find((one) => one.table === table)?.alarm === alarm;
  });
}

async function metric(daemon: Daemon, line: string): Promise<number> {
  const text = await daemon.client.metrics();
  return Number(
    text
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.split(' ')[1],
  );
}

for (const hook of ['tc', 'xdp'] as const) {
  rootTest(
    `D10: ${hook}: with a full table connections are forwarded all the same, and an alarm is raised`,
    async (t) => {
      const { client, daemon } = await setScene(t, hook, ['one', 'two'], (all) => [web(all)], ...small);
      await alarmed(daemon, 'flows', false);
      const many = await openMany(client, 1_500);
      const before = await namesOf(many);
      t.deepEqual([...new Set(before)].sort(), ['one', 'two']);
      const tally = await client.tally('tcp', target, 50);
      t.is((tally.one ?? 0) + (tally.two ?? 0), 50, JSON.stringify(tally));
      await checkAlarm(t, daemon);
      t.deepEqual(await namesOf(many), before);
      for (const dialogue of many) await dialogue.close();
      await alarmed(daemon, 'flows', false);
      t.is((await events(daemon, 'table-clear')).length, 1);
      t.is(await metric(daemon, 'vipd_table_alarm{table="flows"}'), 0);
    },
  );

  for (const policy of [{}, { exact: true }]) {
    const how = 'exact' in policy ? 'tracked exactly' : 'ordinary';
    rootTest(`D9: ${hook}: a flood takes away neither half of a connection, ${how}`, async (t) => {
      const { lab, client, daemon } = await setScene(
        t,
        hook,
        ['one', 'two'],
        (all) => [web(all, policy), silent(all, policy)],
        ...small,
      );
      const some = await openMany(client, 8);
      const before = await namesOf(some);
      const flooder = lab.site('flooder', hook === 'xdp' ? 'uplink' : 'workload');
      await until('the hook on its link', 20_000, async () => {
        const { hooks } = await daemon.client.status();
        return hooks.some(({ where, attached }) => where === flooder.link && attached);
      });
      for (let i = 0; i < 3; i += 1) {
        await runAt(lab, flooder, process.execPath, manySockets, '11.0.0.81:53', '4000', 'x');
        t.deepEqual(await namesOf(some), before, `${i}`);
      }
      const { evicted = 0 } = (await daemon.client.status()).verdicts;
      t.true(evicted > 5_000, `evicted ${evicted}`);
    });
  }
}

/** Everywhere an operator looks. */
async function checkAlarm(t: ExecutionContext, daemon: Daemon): Promise<void> {
  await alarmed(daemon, 'flows', true);
  const [alarm, ...others] = await events(daemon, 'table-alarm');
  t.deepEqual(others, [], 'told once');
  t.like(alarm?.fill, { table: 'flows', limit: 1024 });
  t.true((alarm?.fill?.used ?? 0) >= 768);
  t.true((await events(daemon, 'table-pressure')).length > 0);
  t.true((await metric(daemon, 'vipd_table_entries{table="flows"}')) >= 768);
  t.is(await metric(daemon, 'vipd_table_limit{table="flows"}'), 1024);
  t.is(await metric(daemon, 'vipd_table_alarm{table="flows"}'), 1);
  t.true((await metric(daemon, 'vipd_verdicts_total{verdict="overflowed"}')) > 0);
  const { checks, ok } = await daemon.client.doctor();
  t.like(
    checks.find(({ name }) => name === 'table flows'),
    { result: 'warning' },
  );
  t.true(ok, 'a warning, no failure');
}

rootTest('full NAT: ports that run out are told of before and when they do, and are free again in time', async (t) => {
  const policy = { forwarding: 'full-nat' } as const;
  const lab = Lab.create(t);
  const server = await startEcho(lab, lab.site('one', 'uplink'), 'one');
  const client = await Agent.start(lab, lab.site('client').namespace);
  const daemon = await Daemon.start(lab, [web([server], policy)], '--full-nat-ports', '61440-61455');
  const held: OpenDialogue[] = [];
  for (let i = 0; i < 24; i += 1) held.push(await client.open('tcp', target));
  const answers = await namesOf(held);
  const refused = answers.filter((name) => name !== 'one').length;
  t.true(refused >= 8, answers.join());
  await alarmed(daemon, 'nat_ports', true);
  const [event] = await events(daemon, 'exhausted');
  t.like(event, { vip: `tcp/${vip}`, backend: `${server.v4}:7000`, hook: 'tc' });
  const [alarm] = await events(daemon, 'table-alarm');
  t.like(alarm?.fill, { table: 'nat_ports', limit: 16 });
  t.regex(alarm?.fill?.where ?? '', new RegExp(`^tcp to ${server.v4}:7000 from 10\\.77\\.`));
  for (const dialogue of held) await dialogue.close();
  await alarmed(daemon, 'nat_ports', false);
  t.like(await client.ask('tcp', target), { name: 'one' });
});
