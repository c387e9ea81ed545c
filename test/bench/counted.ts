import type { ServiceInput } from '../../ts/model/schema.js';
import { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Owner, type Site } from '../helpers/lab.js';
import { startIn } from '../helpers/servers.js';
import { nftables } from './rivals.js';
import { instructions } from './tools.js';

const port = 7000;
const vip = '11.0.0.80';

/** A way from a client to a server whose instructions are counted, and what it needs for that. */
export interface Counted {
  readonly name: string;
  /** Prepares a lab; gives the address to ask, and whether clients must be in the lab's cgroup. */
  readonly prepare: (lab: Lab, server: Site) => Promise<{ address: string; inCgroup?: boolean }>;
  /** A datagram of a raw socket passes the sock hook by. */
  readonly without?: keyof typeof counts;
}

/** Operations of each kind: enough that a tick of the kernel's clock among them does not show. */
export const counts = { packets: 20_000, flows: 10_000, connections: 2_000 } as const;

/** `natted`: beside a NAT table of somebody else's, as containers have it, and with what masquerading takes. */
function ipvsadm(scheduler: string, natted = false): Counted['prepare'] {
  return async ({ node }, server) => {
    node.ip(`route add local ${vip}/32 dev lo`);
    const services = ['-t', '-u'].flatMap((protocol) => [
      `-A ${protocol} ${vip}:${port} -s ${scheduler}`,
      `-a ${protocol} ${vip}:${port} -r ${server.v4}:${port} -m -w 1`,
    ]);
    run(node.inside(['ipvsadm', '-R']), `${services.join('\n')}\n`);
    if (natted) {
      run(
        node.inside(['nft', '-f', '-']),
        'table ip other { chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 masquerade; }; }',
      );
      node.sysctl('ipv4/vs/conntrack', 1);
    }
    return { address: vip };
  };
}

/** The daemon programs and then stands still: what is counted is what is in the kernel. */
function ours(schedule: 'maglev' | 'round-robin', ...flags: readonly string[]): Counted['prepare'] {
  return async (lab, server) => {
    const service = (protocol: 'tcp' | 'udp'): ServiceInput => {
      return { name: protocol, vip: `${vip}:${port}`, protocol, schedule, backends: [`${server.v4}:${port}`] };
    };
    const daemon = await Daemon.start(lab, [service('tcp'), service('udp')], ...flags);
    if (flags.includes('on')) await redirecting(daemon);
    daemon.child?.kill('SIGSTOP');
    lab.beforeRemoval(() => daemon.child?.kill('SIGCONT'));
    return { address: vip, inCgroup: flags.includes('none') };
  };
}

const redirecting = (daemon: Daemon) =>
  until('redirecting', 120_000, async () =>
    (await daemon.client.status()).hooks.some(({ mode }) => mode.includes('redirecting')),
  );

const nft =
  (services: number): Counted['prepare'] =>
  async ({ node }, server) => {
    nftables(node, { vip, backend: server.v4, ports: [port], services });
    return { address: vip };
  };

export const ways: readonly Counted[] = [
  { name: 'direct', prepare: async (_, server) => ({ address: server.v4 }) },
  { name: 'nftables, 1 service', prepare: nft(1) },
  { name: 'nftables, 1000 services', prepare: nft(1000) },
  { name: 'IPVS NAT rr', prepare: ipvsadm('rr') },
  { name: 'IPVS NAT mh', prepare: ipvsadm('mh') },
  { name: 'IPVS NAT rr, tracked, beside NAT', prepare: ipvsadm('rr', true) },
  { name: 'vipd ipvs, round robin', prepare: ours('round-robin', '--mode', 'ipvs') },
  { name: 'vipd ipvs, maglev', prepare: ours('maglev', '--mode', 'ipvs') },
  { name: 'vipd sock', prepare: ours('maglev', '--tc', 'none'), without: 'flows' },
  { name: 'vipd tc, no redirect', prepare: ours('maglev', '--tc', 'w*', '--redirect', 'off') },
  { name: 'vipd tc, redirect', prepare: ours('maglev', '--tc', 'w*', '--redirect', 'on') },
];

/** Counts one kind of operation, several times over. */
export type Count = (kind: keyof typeof counts) => Promise<number>;

/** Sets a way up in a lab of its own. */
export async function counter(owner: Owner, way: Counted): Promise<Count> {
  const lab = Lab.create(owner);
  const [server, client] = [lab.site('server'), lab.site('client')];
  await startIn(lab, server, [instructions, 'serve', String(port)]).wrote('listening', 60_000);
  const { address, inCgroup = false } = await way.prepare(lab, server);
  return async (kind) => {
    const argv = [instructions, kind, address, String(port), String(counts[kind]), client.v4];
    const inside = client.namespace.inside(argv);
    return Number(await Child.start(inCgroup ? lab.cgroup.inside(inside) : inside).success());
  };
}
