import type { ExecutionContext } from 'ava';
import type { ServiceInput } from '../../ts/model/schema.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import { type Cluster, createCluster } from '../helpers/cluster.js';
import { Daemon } from '../helpers/daemon.js';
import type { Owner, Site } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { runAt, startIperf, within } from '../helpers/programs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { share } from '../helpers/shared-scene.js';

// Packets that go to their backend whole: client → balancer → the backend's node → straight back to the client. A daemon
// on each node, which know the same services.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const modes = ['tunnel', 'direct'] as const;
const hooks = {
  xdp: [],
  // On virtual uplinks tc does what XDP does on cards.
  tc: ['--tc', 'w*', '--xdp', 'up*'],
} as const;

type Hook = keyof typeof hooks;

interface Stage extends Cluster {
  /** Workloads of the host. */
  readonly one: Site;
  readonly iperf: Site;
  readonly daemons: { readonly balancer: Daemon; readonly host: Daemon };
}

/** How often a verdict was counted on a node, since its daemon was told what to serve. */
type Count = (node: 'balancer' | 'host', verdict: string) => Promise<number>;

async function setStage(owner: Owner, hook: Hook, mtu: number): Promise<Stage> {
  const cluster = createCluster(owner, mtu);
  const [one, iperf] = [cluster.host.site('one'), cluster.host.site('iperf')];
  const nodes = [cluster.balancer, cluster.host] as const;
  const [balancer, host] = await Promise.all(nodes.map((lab) => Daemon.start(lab, [], ...hooks[hook])));
  return { ...cluster, one, iperf, daemons: { balancer: balancer!, host: host! } };
}

async function serve({ daemons }: Stage, services: readonly ServiceInput[]): Promise<Count> {
  const both = [daemons.balancer, daemons.host];
  // First nothing, so that what is waited for is not what was served before.
  for (const all of [[], services]) await Promise.all(both.map((daemon) => daemon.serve(all)));
  const counted = async (node: 'balancer' | 'host') => (await daemons[node].client.status()).verdicts;
  const before = { balancer: await counted('balancer'), host: await counted('host') };
  return async (node, verdict) => ((await counted(node))[verdict] ?? 0) - (before[node][verdict] ?? 0);
}

/** By hook and MTU. */
const stages = {
  xdp: { 1500: share((owner) => setStage(owner, 'xdp', 1500)), 9000: share((owner) => setStage(owner, 'xdp', 9000)) },
  tc: { 1500: share((owner) => setStage(owner, 'tc', 1500)), 9000: share((owner) => setStage(owner, 'tc', 9000)) },
};

for (const mode of modes) {
  for (const hook of Object.keys(hooks) as Hook[]) {
    rootTest(`${mode} by ${hook}: answers of another node's workloads come straight back, from the VIP`, async (t) => {
      const cluster = await stages[hook][1500]();
      // A frame's MAC address leads no further than the link: there the node itself serves.
      const place = mode === 'direct' ? cluster.onHost : cluster.one;
      const servers = [await startEcho(cluster.host, place, 'one')];
      const services = vips.flatMap((vip, i) =>
        (['tcp', 'udp'] as const).map((protocol) => ({
          ...serviceOf(`${protocol}${i}`, vip, servers, { protocol }),
          forwarding: mode,
        })),
      );
      const count = await serve(cluster, services);
      const agent = await Agent.start(cluster.balancer, cluster.client.namespace);
      await settled(t, agent, services);
      for (const service of services) {
        const manner = service.protocol === 'udp' ? 'udp' : 'tcp';
        const dialogue = await agent.open(manner, targetOf(service));
        for (let i = 0; i < 5; i++) {
          t.like(await dialogue.ask(`hello ${i}`), { name: 'one' }, `${service.name} ${i}`);
        }
        await dialogue.close();
      }
      t.true((await count('balancer', mode === 'tunnel' ? 'tunnelled' : 'directed')) >= 20);
      t.is(await count('balancer', 'replied'), 0, 'an answer passed the balancer');
      t.true((await count('host', 'replied')) >= 20);
    });
  }
}

/** The first packets may find the next hop unknown. */
async function settled(t: ExecutionContext, agent: Agent, services: readonly ServiceInput[]): Promise<void> {
  for (const service of services) {
    const manner = service.protocol === 'udp' ? 'udp' : 'tcp';
    let answer = await agent.ask(manner, targetOf(service));
    for (let i = 0; i < 20 && answer.error !== undefined; i++) answer = await agent.ask(manner, targetOf(service));
    t.is(answer.error, undefined, service.name);
  }
}

for (const hook of Object.keys(hooks) as Hook[]) {
  for (const [number, mtu] of [
    ['D16', 1500],
    ['D18', 9000],
  ] as const) {
    rootTest(
      `${number}: tunnel by ${hook}: uploads and downloads over links of MTU ${mtu}`,
      async (t) => {
        const cluster = await stages[hook][mtu]();
        const site = cluster.iperf;
        await startIperf(cluster.host, site);
        const services = [
          { name: 'bulk4', vip: '11.0.0.80:5201', backends: [`${site.v4}:5201`], forwarding: 'tunnel' as const },
          { name: 'bulk6', vip: '[fd01:c::80]:5201', backends: [`[${site.v6}]:5201`], forwarding: 'tunnel' as const },
        ];
        const count = await serve(cluster, services);
        for (const vip of ['11.0.0.80', 'fd01:c::80']) {
          for (const direction of [[], ['-R']]) {
            // Much more than buffers hold: what is in them at the end the server does not count as received.
            const argv = within(40, 'iperf3', '-c', vip, '-n', '40M', '--json', ...direction);
            const report = JSON.parse(await runAt(cluster.balancer, cluster.client, ...argv));
            t.true(report.end.sum_received.bytes > 5 << 20, `${vip} ${direction}`);
          }
        }
        t.is(await count('balancer', 'replied'), 0);
        // Full frames of the client's link do not fit into a tunnel over one no larger.
        t.is((await count('balancer', 'too_big')) > 0, mtu === 1500);
      },
      program('iperf3'),
    );
  }
}

interface Explained {
  readonly forwarding: string;
  readonly nextHop?: string;
  readonly mac?: string;
}

rootTest('tunnel: the next hop follows routes and neighbours', async (t) => {
  const cluster = createCluster(t);
  const service = { name: 'web', vip: vips[0], backends: ['10.77.11.2:7000'], forwarding: 'tunnel' as const };
  const daemon = await Daemon.start(cluster.balancer, [service], ...hooks.tc);
  const hop = async (): Promise<Explained> => {
    const { kernel } = await daemon.client.explain({ key: 'web' });
    const [first] = (kernel?.backends ?? []) as Explained[];
    return first ?? { forwarding: 'none' };
  };
  const { node } = cluster.balancer;
  await until('the next hop of the route', 20_000, async () => (await hop()).nextHop === '10.78.8.2');
  node.ip('neigh replace 10.78.8.2 lladdr 02:00:00:00:00:99 dev up8 nud permanent');
  await until('the new MAC address', 20_000, async () => (await hop()).mac === '02:00:00:00:00:99');
  node.ip('route add 10.77.11.0/24 via 10.77.1.2');
  await until('the new next hop', 20_000, async () => (await hop()).nextHop === '10.77.1.2');
  node.ip('route add 10.77.11.2/32 dev up8');
  await until('a backend on the link', 20_000, async () => (await hop()).nextHop === '10.77.11.2');
  node.ip('address add 10.77.11.2/32 dev lo');
  await until('a backend of the node itself', 20_000, async () => (await hop()).forwarding === 'nat');
  t.is((await hop()).nextHop, undefined);
});
