import type { ExecutionContext } from 'ava';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Site } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { runAt } from '../helpers/programs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// The kernel's own connection tracking, whose table may be full and whose judgement of windows may be wrong.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;

/** Has the node's kernel track connections, as rules that name a state do; tells how many it has. */
function track(lab: Lab): () => number {
  const rules = 'table inet states { chain input { type filter hook input priority 0; ct state invalid drop; }; }';
  run(lab.node.inside(['nft', '-f', '-']), rules);
  return () => Number(run(lab.node.inside(['cat', '/proc/sys/net/netfilter/nf_conntrack_count'])));
}

async function talk(t: ExecutionContext, agent: Agent): Promise<void> {
  for (const vip of vips) {
    const tally = await agent.tally('tcp', targetOf({ name: '', vip, backends: [] }), 40);
    t.deepEqual(tally, { one: 40 }, vip);
  }
}

/** Addresses of a backend that lies beyond an uplink, where clients are too. */
function beyond({ node }: Lab, { namespace, v4, v6 }: Site): Pick<Site, 'v4' | 'v6'> {
  const far = { v4: '10.79.0.2', v6: 'fd79::2' };
  namespace.ip(`address add ${far.v4}/32 dev lo`, `address add ${far.v6}/128 dev lo nodad`);
  node.ip(`route add ${far.v4}/32 via ${v4}`, `route add ${far.v6}/128 via ${v6}`);
  return far;
}

rootTest(
  'D11: connections between workloads, and such as come and go by one uplink, take no room in nf_conntrack',
  async (t) => {
    const lab = Lab.create(t);
    const tracked = track(lab);
    const inside = await startEcho(lab, lab.site('one'), 'one');
    const uplink = lab.site('far', 'uplink');
    const outside = { ...(await startEcho(lab, uplink, 'one')), ...beyond(lab, uplink) };
    const workload = await Agent.start(lab, lab.site('client').namespace);
    const remote = await Agent.start(lab, uplink.namespace);
    const web = (server: typeof inside) => vips.map((vip, i) => serviceOf(`web${i}`, vip, [server]));
    const daemon = await Daemon.start(lab, web(inside), '--redirect', 'on');
    await until('redirecting', 20_000, async () =>
      (await daemon.client.status()).hooks.some(({ mode }) => mode.includes('redirecting')),
    );
    await talk(t, workload);
    t.is(tracked(), 0, 'between workloads');
    await daemon.serve(web(outside).map((service) => ({ ...service, forwarding: 'full-nat' })));
    await talk(t, remote);
    t.is(tracked(), 0, 'by one uplink');
    await daemon.end('SIGTERM');
    await daemon.restart('--redirect', 'off');
    await daemon.serve(web(inside));
    await talk(t, workload);
    t.true(tracked() >= 80, 'the stack would have tracked them');
  },
  program('nft'),
);

/** Every so often a segment of the server's says it belongs somewhere far out of the window: it is lost, for its receiver. */
function loseTheThread({ namespace }: Site): void {
  const odd = 'tcp sport 7000 tcp flags & (syn | fin | rst) == 0 numgen inc mod 7 == 0 tcp sequence set 1234567';
  run(
    namespace.inside(['nft', '-f', '-']),
    `table inet odd { chain output { type filter hook output priority 0; ${odd}; }; }`,
  );
}

for (const [hook, kind] of [
  ['tc', 'workload'],
  ['xdp', 'uplink'],
] as const) {
  for (const policy of [{}, { exact: true }]) {
    rootTest(
      `D21: ${hook}: segments out of any window are translated like others, and reset nothing, ${JSON.stringify(policy)}`,
      async (t) => {
        const lab = Lab.create(t);
        track(lab);
        const server = await startEcho(lab, lab.site('one'), 'one');
        const site = lab.site('client', kind);
        // What reaches the client under the backend's own name it would reset.
        const rules = `table inet bare { chain input { type filter hook input priority 0; ip saddr ${server.v4} counter; }; }`;
        run(site.namespace.inside(['nft', '-f', '-']), rules);
        const client = await Agent.start(lab, site.namespace);
        const [vip] = vips;
        await Daemon.start(lab, [serviceOf('web', vip, [server], policy)]);
        const open = await client.open('tcp', targetOf({ name: '', vip, backends: [] }));
        t.like(await open.ask(), { name: 'one' });
        loseTheThread(server);
        for (let i = 0; i < 12; i += 1) t.like(await open.ask('x'.repeat(20_000)), { name: 'one' }, `${i}`);
        t.regex(await runAt(lab, site, 'nft', 'list', 'table', 'inet', 'bare'), /counter packets 0 /);
      },
      program('nft'),
    );
  }
}
