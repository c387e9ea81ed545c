import type { Btf } from '../../libbpf/btf.js';
import { codecFor } from '../../libbpf/codec.js';
import { VipdError } from '../../util/errors.js';
import type { MapLayout } from './layouts.js';
import { enums, FlowBits } from './lb.gen.js';

/** Turns entries of a map with another layout into ours: what has the same name is taken over, what is new is 0. */
export interface Conversion {
  key(bytes: Buffer): Buffer;
  value(bytes: Buffer): Buffer;
}

/** Enums whose values stand in entries: they must mean the same. */
const STORED = [
  'forward_mode',
  'vip_state',
  'schedule',
  'vip_flags',
  'source_kind',
  'backend_state',
  'flow_state',
  'exact_state',
  'id_set_special',
] as const;
/** Of `lb_size`, likewise. */
const STORED_SIZES = ['ID_SET_WAYS', 'TABLE_CHUNK_SLOTS'] as const;

/** @throws VipdError LAYOUT_UNSUPPORTED when a type is none that can be converted */
export function conversionOf(name: string, from: MapLayout, to: MapLayout): Conversion {
  return { key: part('key', name, from, to), value: part('value', name, from, to) };
}

/** Why what the entries hold cannot be understood, though their fields could be; undefined when they can. */
export function meaningDifference(from: Btf): string | undefined {
  const theirs = from.enums();
  for (const name of STORED) {
    const difference = valueDifference(enums[name], theirs.get(name));
    if (difference !== undefined) return difference;
  }
  const sizes = Object.fromEntries(STORED_SIZES.map((size) => [size, enums.lb_size[size]]));
  return valueDifference(sizes, theirs.get('lb_size'));
}

function valueDifference(
  ours: Readonly<Record<string, number | bigint>>,
  theirs: Readonly<Record<string, number | bigint>> = {},
): string | undefined {
  const found = Object.keys(ours).find((key) => key in theirs && Number(theirs[key]) !== Number(ours[key]));
  return found === undefined ? undefined : `${found} is ${theirs[found]} there and ${ours[found]} here`;
}

function part(of: 'key' | 'value', name: string, from: MapLayout, to: MapLayout): (bytes: Buffer) => Buffer {
  const [theirs, ours] = [from.types[of], to.types[of]];
  if (theirs === undefined || ours === undefined) return (bytes) => bytes;
  const path = `${name}.${of}`;
  const [reader, writer] = [codecFor<unknown>(from.btf, theirs, path), codecFor<unknown>(to.btf, ours, path)];
  const blank = writer.decode(Buffer.alloc(writer.size));
  return (bytes) => writer.encode(adapted(blank, reader.decode(bytes), path));
}

/** Pure: the value in the shape of a blank one. @throws VipdError LAYOUT_MISMATCH where one is a struct and the other is not */
export function adapted(blank: unknown, value: unknown, path: string): unknown {
  if (value === undefined) return blank;
  const wide = typeof value === 'bigint' || typeof value === 'number';
  if (typeof blank === 'number' && wide) return Number(value);
  if (typeof blank === 'bigint' && wide) return BigInt(value);
  if (blank instanceof Uint8Array && value instanceof Uint8Array) {
    const bytes = Uint8Array.from(blank);
    bytes.set(value.subarray(0, bytes.length));
    return bytes;
  }
  if (Array.isArray(blank) && Array.isArray(value)) return blank.map((one, i) => adapted(one, value[i], `${path}[]`));
  if (isStruct(blank) && isStruct(value)) {
    const fields = Object.entries(blank).map(([name, one]) => [name, adapted(one, value[name], `${path}.${name}`)]);
    return Object.fromEntries(fields);
  }
  throw new VipdError({ code: 'LAYOUT_MISMATCH', object: path, cause: 'is of another kind there' });
}

function isStruct(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** Where the parts of a flow's word are. */
export type FlowLayout = Readonly<Record<keyof typeof FlowBits, number>>;

/** That of another layout; ours where it says nothing. */
export function flowLayoutOf(from: Btf | undefined): FlowLayout {
  const theirs = from?.enums().get('flow_bits') ?? {};
  const entries = Object.entries(FlowBits).map(([name, ours]) => [name, Number(theirs[name] ?? ours)]);
  return Object.fromEntries(entries) as unknown as FlowLayout;
}

export function sameFlowLayout(one: FlowLayout, other: FlowLayout = FlowBits): boolean {
  return (Object.keys(FlowBits) as (keyof FlowLayout)[]).every((name) => one[name] === other[name]);
}

/**
 * Pure: a flow's word in our layout; undefined where that has more of the hash than is known. What finds it by its hash, as the
 * programs do, can still take it over.
 */
export function convertedFlow(word: bigint, from: FlowLayout): bigint | undefined {
  const [theirs, ours] = [BigInt(from.FLOW_TAG_SHIFT), BigInt(FlowBits.FLOW_TAG_SHIFT)];
  if (theirs > ours || from.FLOW_GENERATION_BITS < FlowBits.FLOW_GENERATION_BITS) return undefined;
  const tag = (word >> theirs) >> (ours - theirs) || 1n;
  const field = (shift: number, bits: number) => (word >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n);
  return (
    (tag << ours) |
    (field(from.FLOW_BACKEND_SHIFT, from.FLOW_BACKEND_BITS) << BigInt(FlowBits.FLOW_BACKEND_SHIFT)) |
    (field(from.FLOW_GENERATION_SHIFT, FlowBits.FLOW_GENERATION_BITS) << BigInt(FlowBits.FLOW_GENERATION_SHIFT)) |
    (field(from.FLOW_STATE_SHIFT, FlowBits.FLOW_STATE_BITS) << BigInt(FlowBits.FLOW_STATE_SHIFT)) |
    field(0, Math.min(from.FLOW_AGE_BITS, FlowBits.FLOW_AGE_BITS))
  );
}
