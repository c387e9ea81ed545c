import { writeFileSync } from 'node:fs';
import { VipdError } from '../util/errors.js';
import { attempt, run } from './command.js';
import { ip, Namespace } from './namespace.js';

/** Every address in it belongs to vipd; the quickstart's VIP is one of them. */
export const pool = '11.0.0.0/8';
export const vip = { address: '11.0.0.80', port: 80 };

/** Addresses of the links, from the block for benchmarks between networks (RFC 2544), which nobody routes. */
const network = '198.18.0.0/16';

/** Where the daemon answers DNS; the containers have a route to it. */
export const resolver = '198.18.0.53';

/** So high that any other route wins: these only catch what nothing else takes. */
const lastResort = 20_001;

/** A namespace on a veth link of its own to the host. */
export interface Site {
  readonly namespace: Namespace;
  /** The link's end on the host; all begin with `vipd-qs`. */
  readonly link: string;
  /** Addresses of the two ends, a /30. */
  readonly hostAddress: string;
  readonly address: string;
}

const site = (name: string, subnet: number): Site => ({
  namespace: new Namespace(`vipd-qs-${name}`),
  link: `vipd-qs${subnet}`,
  hostAddress: `198.18.${subnet}.1`,
  address: `198.18.${subnet}.2`,
});

export const servers: readonly Site[] = [site('1', 1), site('2', 2), site('3', 3)];
export const client: Site = site('client', 4);
const sites = [...servers, client];

/** Comes before everything else: at no time can a packet for a VIP leave the machine. @throws VipdError POOL_ROUTED */
export function cover(): void {
  for (const prefix of [pool, network]) run(['ip', 'route', 'add', 'unreachable', prefix, 'metric', `${lastResort}`]);
  expectUnreachable(vip.address);
}

/** Lays the links. */
export function up(): void {
  for (const one of sites) connect(one);
  // The client's own route to the VIP leads to the host's end of its link, where the tc program takes it.
  client.namespace.ip(`route add ${pool} via ${client.hostAddress} metric 1`);
}

/** Takes down whatever of it is there. */
export function down(): void {
  for (const one of sites) one.namespace.remove();
  for (const one of sites) attempt(['ip', 'link', 'delete', one.link]);
  for (const prefix of [network, pool]) {
    attempt(['ip', 'route', 'delete', 'unreachable', prefix, 'metric', `${lastResort}`]);
  }
}

function connect({ namespace, link, hostAddress, address }: Site): void {
  namespace.create();
  namespace.ip(`route add unreachable ${pool} metric ${lastResort}`);
  ip(
    `link add ${link} type veth peer name eth0 netns ${namespace.name}`,
    `address add ${hostAddress}/30 dev ${link}`,
    `link set ${link} up`,
  );
  namespace.ip(`address add ${address}/30 dev eth0`, 'link set eth0 up', `route add ${network} via ${hostAddress}`);
  // Of this link only: the machine's own forwarding and reverse-path settings stay as they are.
  writeFileSync(`/proc/sys/net/ipv4/conf/${link}/forwarding`, '1');
  writeFileSync(`/proc/sys/net/ipv4/conf/${link}/rp_filter`, '0');
}

/** @throws VipdError POOL_ROUTED when the machine already sends the VIP somewhere */
function expectUnreachable(address: string): void {
  if (!attempt(['ip', 'route', 'get', address])) return;
  throw new VipdError({
    code: 'POOL_ROUTED',
    object: `address ${address}`,
    cause: `this machine has a route of its own to it: ${run(['ip', 'route', 'get', address]).split('\n')[0]}`,
    hint: `the quickstart needs ${pool} for itself; remove that route first`,
  });
}
