import type { Codec } from '../../libbpf/codec.js';
import {
  addressBytes,
  addressFromBytes,
  type Endpoint,
  familyOf,
  maskedBytes,
  type Prefix,
} from '../../model/address.js';
import type { Frontend } from '../../model/service.js';
import type { Backend, Hop, Pool, Settings, Vip } from './lb.gen.js';
import { BackendState, ForwardMode, LbSize, VipState } from './lb.gen.js';
import type { PolicyFields } from './policies.js';

/** IANA protocol numbers. */
const NUMBERS = { tcp: 6, udp: 17 } as const;

export interface Codecs {
  readonly vip: Codec<Vip>;
  readonly backend: Codec<Backend>;
  readonly hop: Codec<Hop>;
  readonly settings: Codec<Settings>;
}

export function protocolNumber(frontend: Pick<Frontend, 'protocol'>): number {
  return NUMBERS[frontend.protocol];
}

/** Undefined for protocols that no VIP has. */
export function protocolName(number: number): Frontend['protocol'] | undefined {
  if (number === NUMBERS.tcp) return 'tcp';
  return number === NUMBERS.udp ? 'udp' : undefined;
}

const NO_TABLE = { first: 0, mask: 0 };
const BACKEND_RESERVED = [0, 0, 0, 0, 0, 0];
const FREE_VIP: Vip = {
  address: { bytes: new Uint8Array(16) },
  port: 0,
  protocol: 0,
  state: VipState.VIP_FREE,
  selectable: 0,
  current: NO_TABLE,
  previous: NO_TABLE,
  forwarding: ForwardMode.FORWARD_NAT,
  exact: 0,
  clamp_mss: 0,
  schedule: 0,
  flags: 0,
  reserved16: 0,
  affinity: 0,
  rate: 0,
  reserved: [0, 0],
};

export interface TableSpan {
  readonly first: number;
  readonly chunks: number;
}

function tableRef(span: TableSpan | undefined): Vip['current'] {
  return span === undefined ? NO_TABLE : { first: span.first, mask: span.chunks * LbSize.TABLE_CHUNK_SLOTS - 1 };
}

/** Undefined for "none"; an impossible mask gives a span of a fraction of chunks, which no pool adopts. */
export function tableSpan(ref: Vip['current']): TableSpan | undefined {
  return ref.first === 0 ? undefined : { first: ref.first, chunks: (ref.mask + 1) / LbSize.TABLE_CHUNK_SLOTS };
}

export function vipRecord(
  frontend: Frontend,
  selectable: number,
  current: TableSpan | undefined,
  previous: TableSpan | undefined,
  policy: Partial<PolicyFields> = {},
): Vip {
  return {
    ...FREE_VIP,
    address: { bytes: addressBytes(frontend.address) },
    port: frontend.port,
    protocol: protocolNumber(frontend),
    state: VipState.VIP_SERVING,
    selectable,
    current: tableRef(current),
    previous: tableRef(previous),
    ...policy,
  };
}

/** The entry that makes every other port of a VIP's address ours. `carried`: packets to it may come in tunnels. */
export function addressRecord(address: string, carried = false): Vip {
  return {
    ...FREE_VIP,
    address: { bytes: addressBytes(address) },
    state: VipState.VIP_ADDRESS,
    forwarding: carried ? ForwardMode.FORWARD_TUNNEL : ForwardMode.FORWARD_NAT,
  };
}

export const freeVip = FREE_VIP;

/** Of a VIP's or a backend's record; undefined for a protocol no VIP has. */
export function frontendOf(record: Pick<Vip, 'address' | 'port' | 'protocol'>): Frontend | undefined {
  const protocol = protocolName(record.protocol);
  if (protocol === undefined) return undefined;
  return { address: addressFromBytes(record.address.bytes), port: record.port, protocol };
}

export interface BackendFields extends Endpoint {
  readonly protocol: number;
  readonly weight: number;
  readonly active: boolean;
  readonly vip: number;
  readonly generation: number;
  readonly next: number;
  readonly forwarding: ForwardMode;
  readonly clampMss: number;
}

export function backendRecord(fields: BackendFields): Backend {
  return {
    address: { bytes: addressBytes(fields.address) },
    port: fields.port,
    protocol: fields.protocol,
    state: fields.active ? BackendState.BACKEND_ACTIVE : BackendState.BACKEND_DRAINING,
    vip: fields.vip,
    generation: fields.generation,
    next: fields.next,
    weight: fields.weight,
    forwarding: fields.forwarding,
    reserved8: 0,
    clamp_mss: fields.clampMss,
    reserved16: 0,
    reserved: BACKEND_RESERVED,
  };
}

/** What is left of a backend that is gone: the generation, so that the next owner of the id gets another. */
export function freeBackend(generation: number): Backend {
  return {
    address: { bytes: new Uint8Array(16) },
    port: 0,
    protocol: 0,
    state: BackendState.BACKEND_FREE,
    vip: 0,
    generation,
    next: 0,
    weight: 0,
    forwarding: ForwardMode.FORWARD_NAT,
    reserved8: 0,
    clamp_mss: 0,
    reserved16: 0,
    reserved: BACKEND_RESERVED,
  };
}

const NO_POOL: Pool = { base: { bytes: new Uint8Array(16) }, mask: { bytes: new Uint8Array(16) } };
const ONES = new Uint8Array(16).fill(0xff);

export function poolRecords(pools: readonly Prefix[]): Pool[] {
  const records = pools.map(({ address, bits }) => ({
    base: { bytes: addressBytes(address) },
    mask: { bytes: maskedBytes(ONES, familyOf(address) === 4 ? bits + 96 : bits) },
  }));
  return [...records, ...new Array<Pool>(LbSize.POOLS_MAX - records.length).fill(NO_POOL)];
}

/** One for each family, IPv4 first. */
export function tunnelSourceRecords(prefixes: readonly Prefix[]): Pool[] {
  return ([4, 6] as const).map((family) => {
    const prefix = prefixes.find(({ address }) => familyOf(address) === family);
    return prefix === undefined ? NO_POOL : poolRecords([prefix])[0]!;
  });
}

export function poolsOf(settings: Settings): Prefix[] {
  return settings.pool.slice(0, settings.pools).map(({ base, mask }) => {
    const address = addressFromBytes(base.bytes);
    const bits = mask.bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    return { address, bits: familyOf(address) === 4 ? bits - 96 : bits };
  });
}
