import type { ExecutionContext } from 'ava';
import { Namespace } from '../../ts/quickstart/namespace.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Owner, type Site } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { runAt, startIperf, within } from '../helpers/programs.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { share } from '../helpers/shared-scene.js';

// What is not a plain packet: echo requests, fragments, ICMP errors. By each of the two hooks that see packets.

const vips = ['11.0.0.80', 'fd01:c::80'] as const;
const unserved = ['11.0.0.99', 'fd01:c::99'] as const;
const hooks = ['tc', 'xdp'] as const;

/** Where a hook's clients are. */
const kinds = { tc: 'workload', xdp: 'uplink' } as const;
const needs = [program('ping'), program('iperf3')];

function udp(servers: readonly EchoServer[]) {
  return [`${vips[0]}:80`, `[${vips[1]}]:80`].map((vip, i) => serviceOf(`udp${i}`, vip, servers, { protocol: 'udp' }));
}

/** Nobody listens there. */
const closed = ([one]: readonly EchoServer[]) =>
  vips.map((vip, i) => ({
    ...serviceOf(`closed${i}`, i === 0 ? `${vip}:81` : `[${vip}]:81`, [{ ...one!, port: 9 }]),
    protocol: 'udp' as const,
  }));

const bulkTo = (site: Site, port: number) => [
  { name: `bulk4-${port}`, vip: `${vips[0]}:${port}`, backends: [`${site.v4}:5201`] },
  { name: `bulk6-${port}`, vip: `[${vips[1]}]:${port}`, backends: [`[${site.v6}]:5201`] },
];

/** A number of a namespace's /proc/net/snmp: `Ip` `FragCreates`. */
async function snmp(lab: Lab, site: Site, protocol: string, name: string): Promise<number> {
  const lines = (await runAt(lab, site, 'cat', '/proc/net/snmp')).split('\n');
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith(`${protocol}:`))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf(name)]);
}

/** All tests of a hook share one network, with services for each of them. */
async function setStage(owner: Owner, hook: (typeof hooks)[number]) {
  const lab = Lab.create(owner);
  const servers = await Promise.all(['one', 'two', 'three'].map((name) => startEcho(lab, lab.site(name), name)));
  const [bulk, narrow] = [lab.site('bulk'), lab.site('narrow')];
  await Promise.all([bulk, narrow].map((site) => startIperf(lab, site)));
  const site = lab.site('client', kinds[hook]);
  const far = behindRouter(lab, lab.site('router', kinds[hook]));
  const client = await Agent.start(lab, site.namespace);
  lab.node.ip(`link set ${narrow.link} mtu 1300`);
  const services = [...udp(servers), ...closed(servers), ...bulkTo(bulk, 5201), ...bulkTo(narrow, 5202)];
  await Daemon.start(lab, services);
  return { lab, servers, site, far, client };
}

for (const hook of hooks) {
  const stage = share((owner) => setStage(owner, hook));

  rootTest(
    `${hook}: a VIP answers ping, an address without a VIP does not`,
    async (t) => {
      const { lab, site } = await stage();
      for (const vip of vips) {
        for (const size of ['0', '56', '1400']) {
          const report = await runAt(lab, site, 'ping', '-n', '-c3', '-i0.1', '-W2', '-s', size, vip);
          t.regex(report, /3 received, 0% packet loss/, `${vip} ${report}`);
        }
      }
      for (const address of unserved) {
        await t.throwsAsync(runAt(lab, site, 'ping', '-n', '-c1', '-W1', address), undefined, address);
      }
    },
    ...needs,
  );

  rootTest(
    `D17: ${hook}: datagrams of 8 kB arrive whole, both ways`,
    async (t) => {
      const { lab, servers, client } = await stage();
      const text = 'x'.repeat(8000);
      for (const service of udp(servers)) {
        for (let i = 0; i < 20; i++) {
          const answer = await client.ask('udp', targetOf(service), text);
          t.is(answer.error, undefined, `${service.name} ${i}`);
          t.like(answer, { text, from: targetOf(service) }, `${service.name} ${i}`);
        }
      }
      const made = await Promise.all(servers.map((server) => snmp(lab, server, 'Ip', 'FragCreates')));
      t.true(made.reduce((sum, count) => sum + count, 0) >= 20 * 6, 'answers were not sent in fragments');
    },
    ...needs,
  );

  rootTest(
    `D15: ${hook}: a port that is closed on the backend is reported to the client`,
    async (t) => {
      const { servers, client } = await stage();
      for (const service of closed(servers)) {
        t.deepEqual(await client.ask('udp-connected', targetOf(service)), { error: 'ECONNREFUSED' }, service.name);
      }
    },
    ...needs,
  );

  rootTest(
    `D15: ${hook}: an upload finds the MTU of a narrow link behind the VIP`,
    async (t) => {
      const { lab, site } = await stage();
      await transfers(t, (...argv) => runAt(lab, site, ...argv), ['-p', '5202']);
    },
    ...needs,
  );

  rootTest(
    `D15: ${hook}: a download finds the MTU of a narrow link before the client`,
    async (t) => {
      const { lab, far } = await stage();
      await transfers(t, (...argv) => runAt(lab, far, ...argv), ['-R']);
    },
    ...needs,
  );
}

/**
 * Moves 40 MB through each VIP; what is in buffers at the end does not count as received. If the path MTU were not found, no
 * packet of full size would ever get through.
 */
async function transfers(t: ExecutionContext, run: (...argv: string[]) => Promise<string>, flags: readonly string[]) {
  for (const vip of vips) {
    const report = JSON.parse(await run(...within(20, 'iperf3', '-c', vip, '-n', '40M', '--json', ...flags)));
    t.true(report.end.sum_received.bytes > 10 << 20, vip);
  }
}

/** A client that reaches the node through `router`, over a link of MTU 1300 that only the router knows of. */
function behindRouter(lab: Lab, router: Site): Site {
  const namespace = new Namespace(`${lab.id}-far`);
  namespace.create();
  router.namespace.sysctl('ipv4/ip_forward', 1);
  router.namespace.sysctl('ipv6/conf/all/forwarding', 1);
  router.namespace.ip(
    `link add far type veth peer name eth0 netns ${namespace.name}`,
    'address add 10.78.0.1/30 dev far',
    'address add fd78::1/64 dev far nodad',
    'link set far mtu 1300 up',
  );
  namespace.ip(
    'address add 10.78.0.2/30 dev eth0',
    'address add fd78::2/64 dev eth0 nodad',
    'link set eth0 up',
    'route add default via 10.78.0.1',
    'route add default via fd78::1',
  );
  lab.node.ip(`route add 10.78.0.0/30 via ${router.v4}`, `route add fd78::/64 via ${router.v6}`);
  return { ...router, namespace, v4: '10.78.0.2', v6: 'fd78::2' };
}
