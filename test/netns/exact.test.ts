import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { formatEndpoint } from '../../ts/model/address.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Site } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { runAt, within } from '../helpers/programs.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Full NAT to backends that cannot answer the client, and exact tracking; with real traffic.

const onePort = fileURLToPath(new URL('../helpers/programs/one-port.js', import.meta.url));
const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const FULL = { forwarding: 'full-nat' } as const;

/** Where clients are, and the flags under which the backend's link has which hook. */
const scenes = [
  { name: 'a workload, to a backend beyond an xdp uplink', client: 'workload', flags: [] },
  { name: 'one xdp uplink, to another', client: 'uplink', flags: [] },
  { name: 'a workload, to a backend beyond a tc uplink', client: 'workload', flags: ['--tc', 'w*', '--xdp', 'up*'] },
] as const;

/** A server that knows nobody but the node: no other route leads from it. */
async function secluded(lab: Lab, name: string): Promise<EchoServer> {
  const site = lab.site(name, 'uplink');
  const { namespace, nodeV4, nodeV6 } = site;
  namespace.ip(`route del default via ${nodeV4}`, `route del default via ${nodeV6}`);
  for (const [pool, via] of [
    ['11.0.0.0/8', nodeV4],
    ['fd01:c::/64', nodeV6],
  ])
    namespace.ip(`route del ${pool} via ${via} metric 1`);
  return startEcho(lab, site, name);
}

function services(servers: readonly EchoServer[], policy: object) {
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    vips.map((vip, i) => serviceOf(`${protocol}${i}`, vip, servers, { ...policy, protocol })),
  );
}

for (const { name, client: kind, flags } of scenes) {
  rootTest(`full NAT: ${name} that cannot answer the client`, async (t) => {
    const lab = Lab.create(t);
    const servers = [await secluded(lab, 'one'), await secluded(lab, 'two')];
    const site = lab.site('client', kind);
    const client = await Agent.start(lab, site.namespace);
    const daemon = await Daemon.start(lab, services(servers, FULL), ...flags);
    for (const service of services(servers, FULL)) {
      const manner = service.protocol === 'udp' ? 'udp' : 'tcp';
      const tally = await client.tally(manner, targetOf(service), 40);
      t.deepEqual(Object.keys(tally).sort(), ['one', 'two'], `${service.name} ${JSON.stringify(tally)}`);
    }
    const open = await client.open('tcp', targetOf(services(servers, FULL)[0]!));
    t.is((await open.ask('x'.repeat(30_000))).error, undefined);
    await checkListed(t, daemon, site);
    await restartKeeps(t, daemon, open);
  });
}

/** The open connection is listed, with what it has carried, from its client and from an address of the node. */
async function checkListed(t: ExecutionContext, daemon: Daemon, site: Site): Promise<void> {
  const { flows } = await daemon.client.flows({ exact: true, limit: 1000 });
  const [open] = flows.filter(({ vip, state }) => vip === `tcp/${vips[0]}` && state === 'established');
  t.is(open?.client?.address, site.v4, JSON.stringify(flows));
  t.regex(open?.exact?.source.address ?? '', /^10\.77\.\d+\.1$/);
  t.true((open?.exact?.sent.bytes ?? 0) > 30_000 && (open?.exact?.received.bytes ?? 0) > 30_000);
}

async function restartKeeps(t: ExecutionContext, daemon: Daemon, open: { ask(): Promise<object> }): Promise<void> {
  await daemon.end('SIGKILL');
  t.like(await open.ask(), { text: 'hello' });
  await daemon.restart();
  t.like(await open.ask(), { text: 'hello' });
}

rootTest('without full NAT such a backend is of no use', async (t) => {
  const lab = Lab.create(t);
  const server = await secluded(lab, 'one');
  const client = await Agent.start(lab, lab.site('client').namespace);
  await Daemon.start(lab, services([server], {}));
  t.true((await client.ask('udp', targetOf(services([server], {})[2]!))).error !== undefined);
});

const EXACT = { exact: true } as const;

for (const policies of [
  [FULL, FULL],
  [EXACT, EXACT],
  [EXACT, {}],
  [{}, EXACT],
]) {
  const which = policies.map((policy) => JSON.stringify(policy)).join(' and ');
  rootTest(`D12: one client port towards two VIPs that share a backend, ${which}`, async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one', 'uplink'), 'one');
    const site = lab.site('client');
    const ports = [80, 81].map((port) => ['11.0.0.80', 'fd01:c::80'].map((address) => ({ address, port })));
    const targets = ports.flat().map(formatEndpoint);
    const named = (['tcp', 'udp'] as const).flatMap((protocol) =>
      targets.map((vip, i) => serviceOf(`${protocol}${i}`, vip, [server], { ...policies[i >> 1], protocol })),
    );
    await Daemon.start(lab, named);
    for (const protocol of ['tcp', 'udp']) {
      for (const family of [4, 6]) {
        const both = targets.filter((one) => one.startsWith('[') === (family === 6));
        const answers = await runAt(lab, site, ...within(10, process.execPath, onePort, protocol, '41234', ...both));
        t.is(answers.trim(), 'one\none', `${protocol} over IPv${family}`);
      }
    }
  });
}
