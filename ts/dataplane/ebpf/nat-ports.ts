import { readFileSync } from 'node:fs';
import { addressFromBytes, type Family, familyOf, formatEndpoint } from '../../model/address.js';
import type { Fault } from '../../util/errors.js';
import type { ExactKey } from './lb.gen.js';
import { protocolNumber } from './records.js';

/** Ports `first` to `last`, both of them too. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Whose address and which ports full NAT puts in the place of a client's. */
export interface FullNatOptions {
  readonly ports: PortRange;
  /** At most one a family; where there is none, what the node sends from on the way to the backend. */
  readonly sources: readonly string[];
}

/** Behind what Linux gives to sockets that ask for no port (32768–60999), and behind the port of the cluster. */
export const defaultFullNat: FullNatOptions = { ports: { first: 61_440, last: 65_535 }, sources: [] };

const SYSCTLS = '/proc/sys/net/ipv4';

/** Reads a sysctl of both families' ports in this network namespace; undefined where there is none. */
function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`${SYSCTLS}/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

export function sourceFor({ sources }: FullNatOptions, family: Family): string | undefined {
  return sources.find((address) => familyOf(address) === family);
}

/**
 * Why these ports cannot be ours: a socket of the node that asks for any port might be given one of them, and then be
 * mistaken for a client. Ports in ip_local_reserved_ports are given to nobody who does not ask for them.
 */
export function portsFault(ports: PortRange, read: (name: string) => string | undefined = sysctl): Fault | undefined {
  const [low, high] = (read('ip_local_port_range') ?? '').split(/\s+/).map(Number);
  if (low === undefined || high === undefined) return undefined;
  const reserved = rangesIn(read('ip_local_reserved_ports') ?? '');
  let free = Math.max(ports.first, low);
  for (const { first, last } of reserved) if (first <= free) free = Math.max(free, last + 1);
  if (free > Math.min(ports.last, high)) return undefined;
  const text = `${ports.first}-${ports.last}`;
  return {
    code: 'NAT_PORTS_TAKEN',
    object: `ports ${text} for full NAT`,
    cause: `sockets of the node may be given port ${free} (net.ipv4.ip_local_port_range is ${low} ${high})`,
    hint: `reserve them: sysctl net.ipv4.ip_local_reserved_ports=${text}; or name others: --full-nat-ports`,
  };
}

/** Pure: `8080,9148-9150`, in ascending order. */
function rangesIn(text: string): PortRange[] {
  const parts = text.split(',').filter((part) => part !== '');
  const ranges = parts.map((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return { first, last };
  });
  return ranges.sort((a, b) => a.first - b.first);
}

/** Counts the source ports that are in use between an address of this node and a backend, each pair for itself. */
export class PortUse {
  readonly #pairs = new Map<string, { readonly answer: ExactKey; used: number }>();

  /** @param answer what a backend sends to one of them */
  add(answer: ExactKey): void {
    const key = `${answer.protocol} ${answer.src_port} ${latin1(answer.src.bytes)}${latin1(answer.dst.bytes)}`;
    const pair = this.#pairs.get(key) ?? { answer, used: 0 };
    pair.used += 1;
    this.#pairs.set(key, pair);
  }

  /** The pair with most; undefined without any. */
  get most(): { readonly used: number; readonly where: string } | undefined {
    const [first, ...others] = this.#pairs.values();
    if (first === undefined) return undefined;
    const { answer, used } = others.reduce((most, one) => (one.used > most.used ? one : most), first);
    const backend = formatEndpoint({ address: addressFromBytes(answer.src.bytes), port: answer.src_port });
    const protocol = answer.protocol === protocolNumber({ protocol: 'udp' }) ? 'udp' : 'tcp';
    return { used, where: `${protocol} to ${backend} from ${addressFromBytes(answer.dst.bytes)}` };
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
