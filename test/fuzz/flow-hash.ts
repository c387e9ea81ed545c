import { FlowBits, LbSize } from '../../ts/dataplane/ebpf/lb.gen.js';

/** Who a flow's entry belongs to. Addresses are 4 or 16 bytes in network order, the protocol is IANA's number. */
export interface FlowKey {
  readonly protocol: number;
  readonly client: Uint8Array;
  readonly clientPort: number;
  readonly vip: Uint8Array;
  readonly vipPort: number;
}

/** A place in the flow table: the set a hash selects, and what tells its flows apart there. */
export interface FlowPlace {
  readonly set: number;
  readonly tag: number;
}

const u64 = (value: bigint) => BigInt.asUintN(64, value);

/** As `flow_hash` of bpf/conn.h, from its description: words as the machine reads them, so in little-endian order. */
export function flowHash(key: FlowKey, seed: bigint): bigint {
  const { protocol, client, clientPort, vip, vipPort } = key;
  const ports = (BigInt(protocol) << 32n) | (BigInt(swapped(vipPort)) << 16n) | BigInt(swapped(clientPort));
  if (vip.length === 4) return mix(((little(vip, 0, 4) << 32n) | little(client, 0, 4)) ^ seed, ports);
  const server = mix(little(vip, 0, 8) ^ seed, little(vip, 8, 8));
  return mix(server ^ little(client, 8, 8), mix(little(client, 0, 8) ^ seed, ports));
}

/** @param sets a power of two */
export function flowPlace(hash: bigint, sets: number): FlowPlace {
  const tag = Number(hash >> BigInt(FlowBits.FLOW_TAG_SHIFT));
  return { set: Number(hash & BigInt(sets - 1)), tag: tag === 0 ? 1 : tag };
}

/** The slot of a selection table that a hash begins at. @param slots a power of two */
export function tableSlot(hash: bigint, slots: number): number {
  return Number((hash >> 24n) & BigInt(slots - 1));
}

/** One way of a flow set, without its age. */
export interface FlowEntry {
  readonly tag: number;
  readonly backend: number;
  readonly generation: number;
  readonly state: number;
}

export function flowEntry(word: bigint): FlowEntry | undefined {
  if (word === 0n) return undefined;
  const field = (shift: number, bits: number) => Number((word >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n));
  return {
    tag: Number(word >> BigInt(FlowBits.FLOW_TAG_SHIFT)),
    backend: field(FlowBits.FLOW_BACKEND_SHIFT, FlowBits.FLOW_BACKEND_BITS),
    generation: field(FlowBits.FLOW_GENERATION_SHIFT, FlowBits.FLOW_GENERATION_BITS),
    state: field(FlowBits.FLOW_STATE_SHIFT, FlowBits.FLOW_STATE_BITS),
  };
}

/** The set that a word of the whole table, read as one array, belongs to. */
export function setOfWord(index: number): number {
  return Math.floor(index / LbSize.FLOW_SET_WAYS);
}

function mix(first: bigint, second: bigint): bigint {
  let a = u64(first ^ (second * 0x9e3779b97f4a7c15n));
  a ^= a >> 32n;
  a = u64(a * 0xd6e8feb86659fd93n);
  a ^= a >> 29n;
  a = u64(a * 0xd6e8feb86659fd93n);
  return a ^ (a >> 32n);
}

function swapped(port: number): number {
  return ((port & 0xff) << 8) | (port >> 8);
}

function little(bytes: Uint8Array, at: number, count: number): bigint {
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value;
}
