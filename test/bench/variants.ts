import type { ServiceInput } from '../../ts/model/schema.js';
import { Child } from '../../ts/quickstart/child.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Owner, type Site } from '../helpers/lab.js';
import { startNginx } from '../helpers/programs.js';
import type { Hook } from '../helpers/scene.js';
import { startIn } from '../helpers/servers.js';
import { iptables, type Job, nftables } from './rivals.js';
import { echo } from './tools.js';

export const echoPort = 7000;
export const iperfPort = 5201;
const httpPort = 80;
const vip = '11.0.0.80';

/** A way from a client to a server that is measured against the others, in a lab of its own. */
export interface Variant {
  readonly name: string;
  /** What the client connects to. */
  readonly address: string;
  /** Starts a client's command. */
  readonly start: (argv: readonly string[]) => Child;
}

/** Client, node and server share one CPU: otherwise idle wake-ups are most of what is measured. */
const taskset = ['taskset', '-c', '0'];
const onOneCpu = (argv: readonly string[]) => [...taskset, ...argv];

export async function prepare(
  owner: Owner,
  kind: 'workload' | 'uplink',
  serverKind: 'workload' | 'uplink' = 'workload',
): Promise<{ lab: Lab; server: Site; client: Site }> {
  const lab = Lab.create(owner);
  const server = lab.site('server', serverKind);
  const client = lab.site('client', kind);
  // Its program is for answers by XDP_TX only, which nothing here asks for, and would cost every packet.
  if (kind === 'uplink') client.namespace.ip('link set eth0 xdpdrv off');
  if (serverKind === 'uplink') server.namespace.ip('link set eth0 xdpdrv off');
  await startIn(lab, server, onOneCpu([echo, 'serve', String(echoPort)])).wrote('listening');
  await startIn(lab, server, onOneCpu(['iperf3', '--server', '--forceflush'])).wrote('listening');
  await startNginx(lab, server, 'server', ...taskset);
  return { lab, server, client };
}

export function variant(name: string, address: string, client: Site, lab?: Lab): Variant {
  const inside = (argv: readonly string[]) => client.namespace.inside(onOneCpu(argv));
  return { name, address, start: (argv) => Child.start(lab ? lab.cgroup.inside(inside(argv)) : inside(argv)) };
}

async function direct(owner: Owner, serverKind: 'workload' | 'uplink' = 'workload'): Promise<Variant> {
  const { server, client } = await prepare(owner, 'workload', serverKind);
  return variant('direct', server.v4, client);
}

async function rival(owner: Owner, name: string, set: (node: Lab['node'], job: Job) => void, services: number) {
  const { lab, server, client } = await prepare(owner, 'workload');
  set(lab.node, { vip, backend: server.v4, ports: [echoPort, iperfPort, httpPort], services });
  return variant(name, vip, client);
}

async function ours(owner: Owner, name: string, hook: Hook, ...flags: readonly string[]): Promise<Variant> {
  return serving(await prepare(owner, hook === 'xdp' ? 'uplink' : 'workload'), name, hook, flags);
}

async function serving(
  { lab, server, client }: Awaited<ReturnType<typeof prepare>>,
  name: string,
  hook: Hook,
  flags: readonly string[],
): Promise<Variant> {
  const service = (protocol: 'tcp' | 'udp', port: number): ServiceInput => {
    return { name: `${protocol}-${port}`, vip: `${vip}:${port}`, protocol, backends: [`${server.v4}:${port}`] };
  };
  const tcp = [echoPort, iperfPort, httpPort].map((port) => service('tcp', port));
  await Daemon.start(lab, [...tcp, service('udp', echoPort)], ...flags);
  return variant(name, vip, client, hook === 'sock' ? lab : undefined);
}

export async function allVariants(owner: Owner): Promise<readonly Variant[]> {
  return [
    await direct(owner),
    await rival(owner, 'nftables, 1 service', nftables, 1),
    await rival(owner, 'nftables, 1000 services', nftables, 1000),
    await rival(owner, 'iptables, 1 service', iptables, 1),
    await rival(owner, 'iptables, 1000 services', iptables, 1000),
    await ours(owner, 'vipd sock', 'sock', '--tc', 'none'),
    await ours(owner, 'vipd sock, redirect', 'sock', '--redirect', 'on'),
    await ours(owner, 'vipd tc, no redirect', 'tc', '--redirect', 'off'),
    await ours(owner, 'vipd tc, redirect', 'tc', '--redirect', 'on'),
    await ours(owner, 'vipd xdp on a veth', 'xdp'),
  ];
}

/** The server behind an uplink of the client's node, as if it were on another one. */
export async function remoteVariants(owner: Owner): Promise<readonly Variant[]> {
  const far = async (name: string, hook: Hook, ...flags: readonly string[]) =>
    serving(await prepare(owner, 'workload', 'uplink'), name, hook, flags);
  const workloads = ['--tc', 'w*'];
  const redirected = ['--redirect', 'on', '--redirect-remote', 'on'];
  return [
    await direct(owner, 'uplink'),
    await far('vipd sock', 'sock', ...workloads, '--redirect-remote', 'off'),
    await far('vipd sock, redirect', 'sock', ...workloads, ...redirected),
    await far('vipd tc, no redirect', 'tc', ...workloads, '--redirect-remote', 'off'),
    await far('vipd tc, redirect', 'tc', ...workloads, ...redirected),
    // A network card has its XDP in the driver; a veth makes a frame of each packet for it.
    await far('vipd tc, redirect, xdp on the uplink', 'tc', ...redirected),
  ];
}
