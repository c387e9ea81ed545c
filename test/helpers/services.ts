import { formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import type { ServiceInput } from '../../ts/model/schema.js';
import type { Target } from './programs/conversation.js';
import type { EchoServer } from './servers.js';

type Settings = Partial<Omit<ServiceInput, 'name' | 'vip' | 'backends'>>;

/** A service whose backends are echo servers, of the VIP's family. */
export function serviceOf(
  name: string,
  vip: string,
  servers: readonly EchoServer[],
  settings: Settings = {},
): ServiceInput {
  return { name, vip, backends: servers.map((server) => backendAddress(vip, server)), ...settings };
}

/** Where a server is reached by the family of `vip`: `10.77.1.2:7000`, `[fd77:1::2]:7000`. */
export function backendAddress(vip: string, { v4, v6, port }: EchoServer): string {
  return formatEndpoint({ address: vip.startsWith('[') ? v6 : v4, port });
}

/** The VIP of a service as clients name it. */
export function targetOf(service: ServiceInput): Target {
  return parseEndpoint(vipText(service));
}

/** Of a service whose VIP is an address. */
export function vipText({ name, vip }: ServiceInput): string {
  if (typeof vip === 'string') return vip;
  throw new Error(`service ${name} has its VIP in parts`);
}

/** `count` services of ten backends each, nobody behind them. */
export function crowd(count: number): ServiceInput[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `crowd-${i}`,
    vip: `11.2.${i >> 8}.${i & 255}:80`,
    backends: Array.from(
      { length: 10 },
      (_, j) => `10.88.${((i * 10 + j) >> 8) & 255}.${(i * 10 + j) & 255}:${1000 + j}`,
    ),
  }));
}

/** Flags of a daemon that shall have ten thousand of them. */
export const roomy = ['--max-vips', '32768', '--max-backends', '131072'];
