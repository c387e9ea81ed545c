import { VipdError } from '../util/errors.js';

/** A field of a struct or union. `bits` is its width when it is a bit field, else 0. */
export interface Member {
  readonly name: string;
  readonly typeId: number;
  readonly bitOffset: number;
  readonly bits: number;
}

export interface Struct {
  readonly kind: 'struct' | 'union';
  readonly name: string;
  readonly size: number;
  readonly members: readonly Member[];
}

/** One type; sizes and offsets in bytes, other types by id. */
export type BtfType =
  | Struct
  | { readonly kind: 'void'; readonly name: '' }
  | { readonly kind: 'int'; readonly name: string; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'float'; readonly name: string; readonly size: number }
  | { readonly kind: 'pointer'; readonly name: ''; readonly target: number }
  | { readonly kind: 'array'; readonly name: ''; readonly element: number; readonly count: number }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly size: number;
      readonly values: Readonly<Record<string, number | bigint>>;
    }
  /** typedef, const, volatile, restrict, type tag */
  | { readonly kind: 'alias'; readonly name: string; readonly typedef: boolean; readonly target: number }
  | { readonly kind: 'variable'; readonly name: string; readonly target: number }
  | {
      readonly kind: 'section';
      readonly name: string;
      readonly size: number;
      readonly variables: readonly { readonly typeId: number; readonly offset: number; readonly size: number }[];
    }
  /** What has no layout: functions, prototypes, forward declarations, declaration tags. */
  | { readonly kind: 'other'; readonly name: string };

/** BTF_KIND_* of include/uapi/linux/btf.h. */
const INT = 1;
const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const ENUM = 6;
const FWD = 7;
const TYPEDEF = 8;
const VOLATILE = 9;
const CONST = 10;
const RESTRICT = 11;
const FUNC = 12;
const FUNC_PROTO = 13;
const VAR = 14;
const DATASEC = 15;
const FLOAT = 16;
const DECL_TAG = 17;
const TYPE_TAG = 18;
const ENUM64 = 19;

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;

/** Reads 32-bit words of the type section, one after the other, and names of the string section. */
class Cursor {
  #offset: number;

  constructor(
    readonly view: DataView,
    readonly littleEndian: boolean,
    start: number,
    readonly end: number,
    readonly strings: Uint8Array,
  ) {
    this.#offset = start;
  }

  get done(): boolean {
    return this.#offset >= this.end;
  }

  word(): number {
    if (this.#offset + 4 > this.end) throw new RangeError('behind the end');
    const word = this.view.getUint32(this.#offset, this.littleEndian);
    this.#offset += 4;
    return word;
  }

  name(offset: number): string {
    const end = this.strings.indexOf(0, offset);
    if (offset >= this.strings.length || end < 0) throw new RangeError('a name behind the end');
    return Buffer.from(this.strings.buffer, this.strings.byteOffset + offset, end - offset).toString('utf8');
  }

  times<T>(count: number, read: () => T): T[] {
    if (count * 4 > this.end - this.#offset) throw new RangeError('behind the end');
    return Array.from({ length: count }, read);
  }
}

/**
 * All types of a raw BTF blob, indexed by type id; id 0 is `void`. Both byte orders are read.
 * @throws VipdError BTF_INVALID
 */
export function parseTypes(bytes: Uint8Array, object: string): { types: BtfType[]; littleEndian: boolean } {
  if (bytes.length === 0) throw invalid(object, 'no BTF', 'was it compiled without -g?');
  try {
    const cursor = openTypes(bytes, object);
    const types: BtfType[] = [{ kind: 'void', name: '' }];
    while (!cursor.done) types.push(readType(cursor, types.length, object));
    return { types, littleEndian: cursor.littleEndian };
  } catch (error) {
    if (error instanceof RangeError) throw invalid(object, `BTF is cut short: ${error.message}`);
    throw error;
  }
}

function openTypes(bytes: Uint8Array, object: string): Cursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE) throw invalid(object, `BTF header of ${bytes.length} bytes, ${HEADER_SIZE} wanted`);
  const littleEndian = view.getUint16(0, true) === MAGIC;
  if (!littleEndian && view.getUint16(0, false) !== MAGIC) throw invalid(object, 'not BTF: wrong magic number');
  if (view.getUint8(2) !== 1) throw invalid(object, `BTF version ${view.getUint8(2)} is not known`);
  const [header, typeOffset, typeLength, stringOffset, stringLength] = [4, 8, 12, 16, 20].map((at) =>
    view.getUint32(at, littleEndian),
  ) as [number, number, number, number, number];
  const strings = header + stringOffset;
  const end = header + typeOffset + typeLength;
  if (Math.max(end, strings + stringLength) > bytes.length) throw new RangeError('a section behind the end');
  const names = bytes.subarray(strings, strings + stringLength);
  return new Cursor(view, littleEndian, header + typeOffset, end, names);
}

function readType(cursor: Cursor, id: number, object: string): BtfType {
  const name = cursor.name(cursor.word());
  const info = cursor.word();
  const word = cursor.word();
  const count = info & 0xffff;
  const kind = (info >>> 24) & 0x1f;
  const flag = info >>> 31 === 1;
  switch (kind) {
    case INT:
      return { kind: 'int', name, size: word, signed: ((cursor.word() >>> 24) & 1) === 1 };
    case FLOAT:
      return { kind: 'float', name, size: word };
    case PTR:
      return { kind: 'pointer', name: '', target: word };
    case ARRAY:
      return readArray(cursor);
    case STRUCT:
    case UNION:
      return {
        kind: kind === STRUCT ? 'struct' : 'union',
        name,
        size: word,
        members: cursor.times(count, () => readMember(cursor, flag)),
      };
    case ENUM:
    case ENUM64: {
      const values = cursor.times(count, () => (kind === ENUM ? readEnumerator(cursor, flag) : readWide(cursor, flag)));
      return { kind: 'enum', name, size: word, values: Object.fromEntries(values) };
    }
    case TYPEDEF:
    case VOLATILE:
    case CONST:
    case RESTRICT:
    case TYPE_TAG:
      return { kind: 'alias', name, typedef: kind === TYPEDEF, target: word };
    case VAR:
      cursor.word();
      return { kind: 'variable', name, target: word };
    case DATASEC:
      return { kind: 'section', name, size: word, variables: cursor.times(count, () => readPlacement(cursor)) };
    case FWD:
    case FUNC:
      return { kind: 'other', name };
    case FUNC_PROTO:
      cursor.times(count, () => [cursor.word(), cursor.word()]);
      return { kind: 'other', name };
    case DECL_TAG:
      cursor.word();
      return { kind: 'other', name };
    default:
      throw invalid(object, `type ${id} is of unknown kind ${kind}`, 'compiled by a newer compiler than this reads');
  }
}

function readArray(cursor: Cursor): BtfType {
  const element = cursor.word();
  cursor.word(); // the index type says nothing about the layout
  return { kind: 'array', name: '', element, count: cursor.word() };
}

/** With the kind flag set the offset word holds the width of a bit field in its top byte. */
function readMember(cursor: Cursor, flag: boolean): Member {
  const name = cursor.name(cursor.word());
  const typeId = cursor.word();
  const offset = cursor.word();
  return { name, typeId, bitOffset: flag ? offset & 0xffffff : offset, bits: flag ? offset >>> 24 : 0 };
}

/** The flag says signed; compilers that do not know it yet leave it clear and mean whatever the enum was. */
function readEnumerator(cursor: Cursor, signed: boolean): [string, number] {
  const name = cursor.name(cursor.word());
  const value = cursor.word();
  return [name, signed ? value | 0 : value];
}

function readWide(cursor: Cursor, signed: boolean): [string, bigint] {
  const name = cursor.name(cursor.word());
  const value = BigInt(cursor.word()) | (BigInt(cursor.word()) << 32n);
  return [name, signed ? BigInt.asIntN(64, value) : value];
}

function readPlacement(cursor: Cursor): { typeId: number; offset: number; size: number } {
  const typeId = cursor.word();
  const offset = cursor.word();
  return { typeId, offset, size: cursor.word() };
}

function invalid(object: string, cause: string, hint?: string): VipdError {
  return new VipdError({ code: 'BTF_INVALID', object, cause, ...(hint === undefined ? {} : { hint }) });
}
