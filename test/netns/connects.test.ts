import { existsSync, unlinkSync } from 'node:fs';
import type { Client } from '../../ts/api/client.js';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import type { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import { startEcho, startIn } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// What the sockets of a node tell of the backends they were given: how connecting went, and how long it took.

const vips = { v4: '11.0.0.80:80', v6: '[fd01:c::80]:80' } as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
/** Nobody listens there. */
const CLOSED_PORT = 7999;

type Connects = NonNullable<Awaited<ReturnType<Client['vip']>>['connects']>;
const COUNTS = ['connected', 'refused', 'timedOut', 'unreachable', 'reset', 'abandoned', 'failing'] as const;

async function connectsOf(client: Client, key: string): Promise<Connects | undefined> {
  return (await client.vip({ key })).connects;
}

/** Those that are not 0. */
function countsIn(connects: Connects | undefined): Partial<Connects> {
  const { ...all } = connects;
  return Object.fromEntries(COUNTS.flatMap((name) => (all[name] ? [[name, all[name]]] : [])));
}

async function counts(client: Client, key: string): Promise<Partial<Connects>> {
  return countsIn(await connectsOf(client, key));
}

/** A process whose connect() blocks, run by the shell. */
function blocking(lab: Lab, address: string, port: number): Child {
  return bash(lab, `exec 3<>/dev/tcp/${address}/${port}`);
}

/** One that is killed as soon as its socket is in SYN-SENT: however slow the machine, that is within the second. */
async function abandoned(lab: Lab, address: string, port: number): Promise<void> {
  const connect = `(exec 3<>/dev/tcp/${address}/${port}) &`;
  await bash(
    lab,
    `${connect} until [[ $(</proc/net/tcp) == *' 02 '* ]] || ((SECONDS > 60)); do :; done; kill -9 $!`,
  ).success();
}

function bash(lab: Lab, script: string): Child {
  return Child.start(lab.cgroup.inside(lab.node.inside(['bash', '-c', script])));
}

rootTest('connects that come about are counted with their duration, and nothing else is', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one', 'two'], (each) => [
    serviceOf('v4', vips.v4, each, { schedule: 'round-robin' }),
    serviceOf('v6', vips.v6, each, { schedule: 'round-robin' }),
    serviceOf('udp', vips.v4, each, { protocol: 'udp' }),
  ]);
  t.is(await connectsOf(daemon.client, 'v4'), undefined);
  t.deepEqual(await client.tally('tcp', target(vips.v4), 4), { one: 2, two: 2 });
  t.deepEqual(await client.tally('tcp', target(vips.v6), 2), { one: 1, two: 1 });
  t.like(await client.ask('tcp', { address: '::ffff:11.0.0.80', port: 80 }), { name: 'one' });
  await blocking(lab, '11.0.0.80', 80).success();
  await blocking(lab, 'fd01:c::80', 80).success();
  // Directly, by datagram, and from elsewhere: not through a socket that was given a backend.
  t.like(await client.ask('tcp', { address: servers[0]!.v4, port: 7000 }), { name: 'one' });
  await client.ask('udp-connected', target(vips.v4));
  const outside = await Agent.start(lab, lab.site('outside').namespace);
  await until(
    'the hook on its interface',
    10_000,
    async () => (await outside.ask('tcp', target(vips.v4))).error === undefined,
  );
  t.deepEqual(await counts(daemon.client, 'v4'), { connected: 6 });
  t.deepEqual(await counts(daemon.client, 'v6'), { connected: 3 });
  t.is(await connectsOf(daemon.client, 'udp'), undefined);
  const { p50Seconds = 0, p90Seconds = 0, p99Seconds = 0 } = (await connectsOf(daemon.client, 'v4'))!;
  t.true(p50Seconds > 0 && p50Seconds <= p90Seconds && p90Seconds <= p99Seconds);
  const { backends } = await daemon.client.vip({ key: 'v4' });
  t.deepEqual(
    backends.map((backend) => backend.connects?.connected),
    [3, 3],
  );
  const metrics = await daemon.client.metrics();
  const labels = 'vip="tcp/11.0.0.80:80",name="v4"';
  t.true(metrics.includes(`vipd_vip_connect_duration_seconds_count{${labels}} 6\n`));
  t.true(metrics.includes(`vipd_vip_connect_duration_seconds_bucket{${labels},le="+Inf"} 6\n`));
});

rootTest('refusals are counted, in a row too', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one'], (each) => [
    ...(['v4', 'v6'] as const).map((family) =>
      serviceOf(family, vips[family], [{ ...each[0]!, port: CLOSED_PORT }, each[0]!], { schedule: 'round-robin' }),
    ),
  ]);
  for (const family of ['v4', 'v6'] as const) {
    for (let i = 0; i < 3; i++) await client.tally('tcp', target(vips[family]), 2);
    t.deepEqual(await counts(daemon.client, family), { connected: 3, refused: 3, failing: 3 }, family);
    const { backends } = await daemon.client.vip({ key: family });
    const closed = backends.find(({ port }) => port === CLOSED_PORT);
    t.deepEqual(countsIn(closed?.connects), { refused: 3, failing: 3 });
  }
  // Whoever listens there at last is not failing any more.
  await startEcho(lab, servers[0]!, 'late', CLOSED_PORT);
  await client.tally('tcp', target(vips.v4), 2);
  t.deepEqual(await counts(daemon.client, 'v4'), { connected: 5, refused: 3 });
});

rootTest('a connect without an answer has timed out after a second, and was given up before', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one'], (each) => [
    serviceOf('v4', vips.v4, each),
    serviceOf('v6', vips.v6, each),
  ]);
  const { namespace, nodeV4, nodeV6 } = servers[0]!;
  namespace.ip(`route add blackhole ${nodeV4}/32`, `route add blackhole ${nodeV6}/128`);
  t.deepEqual(await client.ask('tcp', target(vips.v4)), { error: 'TIMEOUT' });
  t.deepEqual(await client.ask('tcp', target(vips.v6)), { error: 'TIMEOUT' });
  await abandoned(lab, '11.0.0.80', 80);
  t.deepEqual(await counts(daemon.client, 'v4'), { timedOut: 1, abandoned: 1, failing: 1 });
  t.deepEqual(await counts(daemon.client, 'v6'), { timedOut: 1, failing: 1 });
});

rootTest('an error on the way is told from a refusal and from silence', async (t) => {
  const { lab, daemon } = await setScene(t, 'sock', [], () => [
    { name: 'v4', vip: vips.v4, backends: ['10.66.0.1:80'] },
    { name: 'v6', vip: vips.v6, backends: ['[fd66::1]:80'] },
  ]);
  // A router that says so at once: the node itself would fail connect() before any SYN.
  const router = lab.site('router');
  lab.node.ip(`route add 10.66.0.0/24 via ${router.v4}`, `route add fd66::/64 via ${router.v6}`);
  router.namespace.sysctl('ipv4/ip_forward', 1);
  router.namespace.sysctl('ipv4/icmp_ratelimit', 0);
  router.namespace.sysctl('ipv6/icmp/ratelimit', 0);
  router.namespace.sysctl('ipv6/conf/all/forwarding', 1);
  router.namespace.ip('route add unreachable 10.66.0.0/24', 'route add unreachable fd66::/64');
  for (const family of ['v4', 'v6'] as const) {
    // Who blocks hears of it at the next SYN; who does not is told during connect(), and has closed before the kernel knows.
    t.not(await blocking(lab, target(vips[family]).address, 80).exited, 0);
    t.deepEqual(await counts(daemon.client, family), { unreachable: 1, failing: 1 }, family);
  }
});

rootTest('a connection that is reset at once counts as such; one that its client resets does not', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one'], (each) => [
    serviceOf('v4', vips.v4, [{ ...each[0]!, port: 7001 }]),
    serviceOf('good', '11.0.0.81:80', each),
  ]);
  const server = "require('net').createServer((s) => s.resetAndDestroy()).listen(7001, '::', () => console.log('up'))";
  await startIn(lab, servers[0]!, [process.execPath, '-e', server]).wrote('up');
  t.deepEqual(await client.tally('tcp', target(vips.v4), 2), { ECONNRESET: 2 });
  const resetting = "const s=require('net').connect(80,'11.0.0.81',()=>s.resetAndDestroy())";
  await Child.start(lab.cgroup.inside(lab.node.inside([process.execPath, '-e', resetting]))).success();
  t.deepEqual(await counts(daemon.client, 'v4'), { connected: 2, reset: 2 });
  t.deepEqual(await counts(daemon.client, 'good'), { connected: 1 });
});

rootTest('it can be switched off, and comes with a daemon that finds pins from before it', async (t) => {
  const { lab, client, daemon, servers } = await setScene(
    t,
    'sock',
    ['one'],
    (each) => [serviceOf('v4', vips.v4, each)],
    '--passive-health',
    'false',
  );
  const link = `${lab.bpffs}/vipd/links/sock_outcome`;
  await client.ask('tcp', target(vips.v4));
  t.false(existsSync(link));
  t.is(await connectsOf(daemon.client, 'v4'), undefined);
  await daemon.end('SIGTERM');
  unlinkSync(`${lab.bpffs}/vipd/maps/backend_connects`);
  await daemon.restart('--passive-health', 'true');
  await daemon.holds([serviceOf('v4', vips.v4, servers)]);
  await until('the hook', 10_000, () => existsSync(link));
  await client.ask('tcp', target(vips.v4));
  t.deepEqual(await counts(daemon.client, 'v4'), { connected: 1 });
  // Goes on without a daemon, and is adopted by the next.
  await daemon.end('SIGKILL');
  await client.ask('tcp', target(vips.v4));
  await daemon.restart('--passive-health', 'true');
  await daemon.holds([serviceOf('v4', vips.v4, servers)]);
  t.deepEqual(await counts(daemon.client, 'v4'), { connected: 2 });
});
