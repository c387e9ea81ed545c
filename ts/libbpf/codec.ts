import { VipdError } from '../util/errors.js';
import type { Btf, BtfType, Member, Struct } from './btf.js';

export { describeDifference } from './layout-difference.js';

/**
 * Turns values into the bytes of one C type and back, by field name:
 * integers up to 32 bits and enums are numbers, 64-bit integers are bigints, `__be16/__be32/__be64` are given in host
 * meaning and stored in network order, `__u8[n]` is a Uint8Array, other arrays are arrays, structs are objects; members
 * of an anonymous struct belong to the struct around it. Padding is written as zero.
 */
export interface Codec<T> {
  /** Bytes of one value. */
  readonly size: number;
  /**
   * Writes `value` to `into` at `offset`, or to a buffer of its own.
   * @throws VipdError LAYOUT_MISMATCH (a field too many or too few) | VALUE_INVALID (out of range, wrong length or type)
   */
  encode(value: T, into?: Buffer, offset?: number): Buffer;
  /** @throws VipdError VALUE_INVALID when there are fewer than `size` bytes behind `offset` */
  decode(bytes: Uint8Array, offset?: number): T;
}

/** Reads and writes one type at a byte position of a view. Compiled once, so that no layout is looked up per value. */
interface Node {
  readonly size: number;
  /** Whether every byte is written by `write`. */
  readonly dense: boolean;
  write(view: DataView, at: number, value: unknown): void;
  read(view: DataView, at: number): unknown;
}

/** What all nodes of one codec share. */
interface Layout {
  readonly btf: Btf;
  readonly path: string;
}

/**
 * @param path names the type in errors: `vips.key`
 * @throws VipdError LAYOUT_UNSUPPORTED for unions, bit fields, pointers, floats and 128-bit integers
 */
export function codecFor<T>(btf: Btf, typeId: number, path: string): Codec<T> {
  const node = compile({ btf, path }, typeId);
  const { size } = node;
  return {
    size,
    encode(value, into = Buffer.allocUnsafe(size), offset = 0) {
      const view = viewOf(into, offset, size, path);
      if (!node.dense) into.fill(0, offset, offset + size);
      node.write(view, 0, value);
      return into;
    },
    decode(bytes, offset = 0) {
      return node.read(viewOf(bytes, offset, size, path), 0) as T;
    },
  };
}

function viewOf(bytes: Uint8Array, offset: number, size: number, path: string): DataView {
  if (offset >= 0 && offset + size <= bytes.length) return new DataView(bytes.buffer, bytes.byteOffset + offset, size);
  throw invalid(path, `${Math.max(0, bytes.length - offset)} bytes behind offset ${offset}, ${size} wanted`);
}

function compile(layout: Layout, typeId: number): Node {
  const { btf, path } = layout;
  const type = btf.resolve(typeId);
  switch (type.kind) {
    case 'int':
      return integer(layout, typeId, type.size, type.signed);
    case 'enum':
      return integer(
        layout,
        typeId,
        type.size,
        Object.values(type.values).some((value) => value < 0),
      );
    case 'array':
      return array(layout, type.element, type.count);
    case 'struct':
      return struct(layout, type);
    default:
      throw unsupported(path, `a ${type.kind} has no value by name`);
  }
}

function struct(layout: Layout, type: Struct): Node {
  const fields = fieldsOf(layout, type, 0);
  const covered = fields.reduce((sum, field) => sum + (field.node.dense ? field.node.size : 0), 0);
  const { path } = layout;
  return {
    size: type.size,
    dense: covered === type.size,
    write(view, at, value) {
      if (!isRecord(value)) throw invalid(path, `${describe(value)} given, an object wanted`);
      for (const field of fields) {
        const part = value[field.name];
        if (part === undefined) throw mismatch(`${path}.${field.name}`, 'missing');
        field.node.write(view, at + field.offset, part);
      }
      let given = 0;
      for (const _ in value) given++;
      if (given !== fields.length) throw unknownField(path, fields, value);
    },
    read(view, at) {
      const value: Record<string, unknown> = {};
      for (const field of fields) value[field.name] = field.node.read(view, at + field.offset);
      return value;
    },
  };
}

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly node: Node;
}

function fieldsOf(layout: Layout, type: Struct, base: number): Field[] {
  return type.members.flatMap((member) => fieldsOfMember(layout, member, base));
}

function fieldsOfMember({ btf, path }: Layout, member: Member, base: number): Field[] {
  const where = member.name === '' ? path : `${path}.${member.name}`;
  if (member.bits !== 0 || member.bitOffset % 8 !== 0) throw unsupported(where, 'a bit field');
  const offset = base + member.bitOffset / 8;
  const type = btf.resolve(member.typeId);
  if (member.name === '' && type.kind === 'struct') return fieldsOf({ btf, path }, type, offset);
  return [{ name: member.name, offset, node: compile({ btf, path: where }, member.typeId) }];
}

function unknownField(path: string, fields: readonly Field[], value: Record<string, unknown>): VipdError {
  const known = new Set(fields.map((field) => field.name));
  const unknown = Object.keys(value).find((name) => !known.has(name));
  return mismatch(path, `no field "${unknown}"`);
}

function array(layout: Layout, element: number, count: number): Node {
  const inner = compile({ btf: layout.btf, path: `${layout.path}[]` }, element);
  if (isByte(layout.btf.resolve(element))) return bytesNode(layout.path, count);
  const { path } = layout;
  const { size } = inner;
  return {
    size: count * size,
    dense: inner.dense,
    write(view, at, value) {
      const items = elements(value, path);
      if (items.length !== count) throw invalid(path, `${items.length} elements given, ${count} wanted`);
      for (let i = 0; i < count; i++) inner.write(view, at + i * size, items[i]);
    },
    read(view, at) {
      const items = new Array<unknown>(count);
      for (let i = 0; i < count; i++) items[i] = inner.read(view, at + i * size);
      return items;
    },
  };
}

/** Typed arrays are taken too: selection tables are kept in them. */
function elements(value: unknown, path: string): ArrayLike<unknown> {
  if (Array.isArray(value)) return value;
  if (value instanceof Uint32Array || value instanceof BigUint64Array || value instanceof Uint16Array) return value;
  throw invalid(path, `${describe(value)} given, an array wanted`);
}

function isByte(type: BtfType): boolean {
  return type.kind === 'int' && type.size === 1;
}

function bytesNode(path: string, count: number): Node {
  return {
    size: count,
    dense: true,
    write(view, at, value) {
      if (!(value instanceof Uint8Array)) throw invalid(path, `${describe(value)} given, a Uint8Array wanted`);
      if (value.length !== count) throw invalid(path, `${value.length} bytes given, ${count} wanted`);
      for (let i = 0; i < count; i++) view.setUint8(at + i, value[i] ?? 0);
    },
    read(view, at) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = view.getUint8(at + i);
      return bytes;
    },
  };
}

const NETWORK_ORDER = new Set(['__be16', '__be32', '__be64']);

function integer({ btf, path }: Layout, typeId: number, size: number, signed: boolean): Node {
  const network = btf.typedefs(typeId).some((name) => NETWORK_ORDER.has(name));
  const little = btf.littleEndian && !network;
  if (size === 8) return wideNode(path, signed, little);
  const limit = 2 ** (size * 8);
  const range = signed ? { min: -limit / 2, max: limit / 2 - 1 } : { min: 0, max: limit - 1 };
  const check = (value: unknown): number => checkedNumber(value, range.min, range.max, path);
  switch (size) {
    case 1:
      return {
        size,
        dense: true,
        write: (view, at, value) => view.setUint8(at, check(value)),
        read: signed ? (view, at) => view.getInt8(at) : (view, at) => view.getUint8(at),
      };
    case 2:
      return {
        size,
        dense: true,
        write: (view, at, value) => view.setUint16(at, check(value), little),
        read: signed ? (view, at) => view.getInt16(at, little) : (view, at) => view.getUint16(at, little),
      };
    case 4:
      return {
        size,
        dense: true,
        write: (view, at, value) => view.setUint32(at, check(value), little),
        read: signed ? (view, at) => view.getInt32(at, little) : (view, at) => view.getUint32(at, little),
      };
    default:
      throw unsupported(path, `an integer of ${size} bytes`);
  }
}

function wideNode(path: string, signed: boolean, little: boolean): Node {
  const wrap = signed ? BigInt.asIntN : BigInt.asUintN;
  return {
    size: 8,
    dense: true,
    write(view, at, value) {
      if (typeof value !== 'bigint') throw invalid(path, `${describe(value)} given, a bigint wanted`);
      if (wrap(64, value) !== value) throw invalid(path, `${value} does not fit in 64 ${signed ? 'signed ' : ''}bits`);
      view.setBigUint64(at, value, little);
    },
    read: signed ? (view, at) => view.getBigInt64(at, little) : (view, at) => view.getBigUint64(at, little),
  };
}

function checkedNumber(value: unknown, min: number, max: number, path: string): number {
  if (typeof value !== 'number') throw invalid(path, `${describe(value)} given, a number wanted`);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(path, `${value} is not an integer from ${min} to ${max}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return value.constructor?.name ?? 'an object';
  return typeof value;
}

function mismatch(object: string, cause: string): VipdError {
  return new VipdError({ code: 'LAYOUT_MISMATCH', object, cause });
}

function invalid(object: string, cause: string): VipdError {
  return new VipdError({ code: 'VALUE_INVALID', object, cause });
}

function unsupported(object: string, cause: string): VipdError {
  return new VipdError({ code: 'LAYOUT_UNSUPPORTED', object, cause });
}
