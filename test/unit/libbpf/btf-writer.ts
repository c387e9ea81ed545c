/** A field of a struct to be written; `at` in bytes, default behind the one before, unaligned. */
export interface FieldSpec {
  readonly name: string;
  readonly type: number;
  readonly at?: number;
  /** Width when it is a bit field. */
  readonly bits?: number;
}

const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  prototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** Writes BTF the way a compiler does, so that a test can make any type; every method answers the new type's id. */
export class BtfWriter {
  readonly #types: number[][] = [];
  readonly #names = new Map<string, number>([['', 0]]);
  readonly #sizes: number[] = [0];
  #strings = '\0';

  int(name: string, size: number, signed = false): number {
    return this.#add(KIND.int, name, size, [((signed ? 1 : 0) << 24) | (size * 8)], size);
  }

  float(name: string, size: number): number {
    return this.#add(KIND.float, name, size, [], size);
  }

  pointer(target: number): number {
    return this.#add(KIND.pointer, '', target, [], 8);
  }

  array(element: number, count: number): number {
    return this.#add(KIND.array, '', 0, [element, 1, count], this.sizeOf(element) * count);
  }

  struct(name: string, fields: readonly FieldSpec[], size?: number): number {
    return this.#composite(KIND.struct, name, fields, size);
  }

  union(name: string, fields: readonly FieldSpec[], size: number): number {
    return this.#composite(KIND.union, name, fields, size);
  }

  enum(name: string, values: Readonly<Record<string, number>>, signed = false): number {
    const words = Object.entries(values).flatMap(([key, value]) => [this.#name(key), value >>> 0]);
    return this.#add(KIND.enum, name, 4, words, 4, words.length / 2, signed);
  }

  enum64(name: string, values: Readonly<Record<string, bigint>>, signed = false): number {
    const words = Object.entries(values).flatMap(([key, value]) => {
      const bits = BigInt.asUintN(64, value);
      return [this.#name(key), Number(bits & 0xffffffffn), Number(bits >> 32n)];
    });
    return this.#add(KIND.enum64, name, 8, words, 8, words.length / 3, signed);
  }

  alias(kind: 'typedef' | 'volatile' | 'const' | 'restrict' | 'typeTag', target: number, name = ''): number {
    return this.#add(KIND[kind], name, target, [], this.sizeOf(target));
  }

  forward(name: string): number {
    return this.#add(KIND.forward, name, 0, [], 0);
  }

  /** A function of two parameters. */
  func(name: string, parameter: number): number {
    const words = [this.#name('a'), parameter, this.#name('b'), parameter];
    return this.#add(KIND.func, name, this.#add(KIND.prototype, '', 0, words, 0, 2), [], 0);
  }

  declTag(name: string, target: number): number {
    return this.#add(KIND.declTag, name, target, [0xffffffff], 0);
  }

  variable(name: string, type: number): number {
    return this.#add(KIND.variable, name, type, [1], this.sizeOf(type));
  }

  section(name: string, variables: readonly { type: number; offset: number; size: number }[]): number {
    const words = variables.flatMap(({ type, offset, size }) => [type, offset, size]);
    const size = variables.reduce((end, variable) => Math.max(end, variable.offset + variable.size), 0);
    return this.#add(KIND.section, name, size, words, size, variables.length);
  }

  /** A type of a kind that does not exist. */
  unknown(kind: number): number {
    return this.#add(kind, 'odd', 0, [], 0);
  }

  sizeOf(type: number): number {
    return this.#sizes[type] ?? 0;
  }

  bytes(littleEndian = true): Buffer {
    const types = this.#types.flat();
    const strings = Buffer.from(this.#strings, 'latin1');
    const bytes = Buffer.alloc(24 + types.length * 4 + strings.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    view.setUint16(0, 0xeb9f, littleEndian);
    view.setUint8(2, 1);
    [24, 0, types.length * 4, types.length * 4, strings.length].forEach((word, i) => {
      view.setUint32(4 + i * 4, word, littleEndian);
    });
    types.forEach((word, i) => {
      view.setUint32(24 + i * 4, word, littleEndian);
    });
    strings.copy(bytes, 24 + types.length * 4);
    return bytes;
  }

  #composite(kind: number, name: string, fields: readonly FieldSpec[], size?: number): number {
    const flag = fields.some((field) => field.bits !== undefined);
    let next = 0;
    const words = fields.flatMap((field) => {
      const at = field.at ?? next;
      next = at + this.sizeOf(field.type);
      return [this.#name(field.name), field.type, ((field.bits ?? 0) << 24) | (at * 8)];
    });
    const whole = size ?? next;
    return this.#add(kind, name, whole, words, whole, fields.length, flag);
  }

  #add(kind: number, name: string, word: number, words: number[], size: number, count = 0, flag = false): number {
    this.#types.push([this.#name(name), ((flag ? 1 << 31 : 0) | (kind << 24) | count) >>> 0, word, ...words]);
    this.#sizes.push(size);
    return this.#types.length;
  }

  #name(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const offset = this.#strings.length;
    this.#strings += `${name}\0`;
    this.#names.set(name, offset);
    return offset;
  }
}
