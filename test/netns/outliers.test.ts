import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import type { Daemon } from '../helpers/daemon.js';
import { program, rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Backends whose clients find that connecting fails are left alone for a while, where a service asks for it.

const vip = '11.0.0.80:80';
const target = targetOf({ name: '', vip, backends: [] });
const schedule = 'round-robin';

/** From now on the server refuses what is new, as one whose queue is closed; what it has goes on. */
function refuse({ namespace }: EchoServer, verb: '-A' | '-D'): void {
  const rule = ['INPUT', '-p', 'tcp', '--dport', '7000', '--syn', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
  run(namespace.inside(['iptables', verb, ...rule]));
}

async function backendOf({ client }: Daemon, { v4 }: EchoServer) {
  const { backends } = await client.vip({ key: 'web' });
  return backends.find(({ address }) => address === v4)!;
}

rootTest(
  'a backend that refuses is left alone with what it has, and is back when its time is over',
  async (t) => {
    const outlier = { consecutive: 3, ejection: '3s' };
    const { client, daemon, servers } = await setScene(t, 'sock', ['one', 'two'], (each) => [
      serviceOf('web', vip, each, { schedule, outlier }),
    ]);
    const [, two] = servers as [EchoServer, EchoServer];
    const open = [await client.open('tcp', target), await client.open('tcp', target)];
    const names = async () => {
      const answers = await Promise.all(open.map((dialogue) => dialogue.ask()));
      return answers.map((answer) => answer.error ?? answer.name).sort();
    };
    t.deepEqual(await names(), ['one', 'two']);
    refuse(two, '-A');
    t.deepEqual(await client.tally('tcp', target, 6), { one: 3, ECONNREFUSED: 3 });
    const ejected = await until('the ejection', 20_000, async () => {
      const backend = await backendOf(daemon, two);
      return backend.state === 'ejected' && backend;
    });
    t.regex(ejected.reason, /^3 connects in a row failed \(refused\); left alone until \d\d:\d\d:\d\d UTC$/);
    t.deepEqual(await client.tally('tcp', target, 6), { one: 6 });
    t.deepEqual(await names(), ['one', 'two']);
    t.regex(await daemon.client.metrics(), /^vipd_ejections_total\{vip="tcp\/11\.0\.0\.80:80"\} 1$/m);
    const events: string[] = [];
    for await (const event of await daemon.client.events({ follow: false })) {
      if (event.kind === 'backend') events.push(`${event.backend} ${event.text}`);
    }
    t.true(events.some((text) => text.startsWith(`${two.v4}:7000 ejected: 3 connects in a row failed (refused)`)));
    refuse(two, '-D');
    await until('its return', 20_000, async () => (await backendOf(daemon, two)).state === 'active');
    await until('the kernel', 20_000, async () => (await daemon.driftOf('web')).length === 0);
    t.deepEqual(await client.tally('tcp', target, 6), { one: 3, two: 3 });
  },
  program('iptables'),
);

rootTest(
  'one that fails anew goes for longer; the last ones serve whatever they do',
  async (t) => {
    const outlier = { consecutive: 2, ejection: '3s', maxEjectedPercent: 100 };
    const { client, daemon, servers } = await setScene(t, 'sock', ['one', 'two'], (each) => [
      serviceOf('web', vip, each, { schedule, outlier }),
    ]);
    const [one, two] = servers as [EchoServer, EchoServer];
    refuse(two, '-A');
    await until('an ejection for the second time', 60_000, async () => {
      await client.tally('tcp', target, 2);
      return (await backendOf(daemon, two)).reason.endsWith(' UTC, time 2');
    });
    refuse(one, '-A');
    await until('that both fail', 60_000, async () => {
      await client.tally('tcp', target, 2);
      const each = [await backendOf(daemon, one), await backendOf(daemon, two)];
      return each.some(({ state, reason }) => state === 'active' && reason.includes('serves all the same'));
    });
    t.deepEqual(await client.tally('tcp', target, 2), { ECONNREFUSED: 2 });
    t.true((await daemon.client.status()).reconcile.converged);
  },
  program('iptables'),
);

rootTest(
  'nothing is left alone unless a service asks for it',
  async (t) => {
    const { client, daemon, servers } = await setScene(t, 'sock', ['one', 'two'], (each) => [
      serviceOf('web', vip, each, { schedule }),
      serviceOf('asks', '11.0.0.81:80', each, { schedule, outlier: { consecutive: 2 } }),
    ]);
    refuse(servers[1]!, '-A');
    await client.tally('tcp', target, 20);
    await until('that the other goes', 20_000, async () => {
      await client.tally('tcp', { address: '11.0.0.81', port: 80 }, 4);
      const { backends } = await daemon.client.vip({ key: 'asks' });
      return backends.some(({ state }) => state === 'ejected');
    });
    const { backends } = await daemon.client.vip({ key: 'web' });
    t.deepEqual(
      backends.map(({ state }) => state),
      ['active', 'active'],
    );
  },
  program('iptables'),
);
