import type { BpfMap } from '../../libbpf/map.js';

/** Entries moved by one system call; long enough to hide its cost, short enough to let the event loop breathe. */
const SLICE = 1024;

/**
 * User space's copy of one array map: what vipd wants it to hold. Changes are made here and flushed; a comparison tells
 * where the kernel holds something else.
 */
export class Mirror {
  readonly bytes: Buffer;
  readonly size: number;
  readonly #stride: number;

  constructor(readonly map: BpfMap) {
    this.size = map.info.maxEntries;
    this.#stride = map.valueStride;
    // Not from the pool: its offset must be 8-aligned for typed arrays over it.
    this.bytes = Buffer.from(new ArrayBuffer(this.size * this.#stride));
  }

  /** The words of the whole map, over the same memory. */
  words(): Uint32Array {
    return new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength / 4);
  }

  offset(index: number): number {
    return index * this.#stride;
  }

  entry(index: number): Buffer {
    return this.bytes.subarray(index * this.#stride, (index + 1) * this.#stride);
  }

  /** Takes over what the kernel holds. */
  load(): void {
    this.#slices((first, into) => this.map.readArray(first, into));
  }

  /** Indexes at which the kernel holds something else. */
  differences(): number[] {
    const actual = Buffer.allocUnsafe(SLICE * this.#stride);
    const differing: number[] = [];
    this.#slices((first, wanted) => {
      const slice = actual.subarray(0, wanted.length);
      this.map.readArray(first, slice);
      if (wanted.equals(slice)) return;
      for (let at = 0; at < slice.length; at += this.#stride) {
        const same = wanted.compare(slice, at, at + this.#stride, at, at + this.#stride) === 0;
        if (!same) differing.push(first + at / this.#stride);
      }
    });
    return differing;
  }

  /** Writes these entries to the kernel, in the given order. */
  flush(indexes: readonly number[]): void {
    for (let at = 0; at < indexes.length; at += SLICE) {
      const part = indexes.slice(at, at + SLICE);
      const values = Buffer.allocUnsafe(part.length * this.#stride);
      this.#gather(part, values);
      this.map.setBatch(indexBytes(part), values, part.length);
    }
  }

  /** Copies the entries side by side, neighbours at once. */
  #gather(indexes: readonly number[], into: Buffer): void {
    for (let from = 0; from < indexes.length; ) {
      const first = indexes[from]!;
      let length = 1;
      while (indexes[from + length] === first + length) length++;
      this.bytes.copy(into, from * this.#stride, this.offset(first), this.offset(first + length));
      from += length;
    }
  }

  #slices(visit: (first: number, slice: Buffer) => void): void {
    for (let first = 0; first < this.size; first += SLICE) {
      visit(first, this.bytes.subarray(this.offset(first), this.offset(Math.min(this.size, first + SLICE))));
    }
  }
}

/** Array map keys, in host order. */
export function indexBytes(indexes: readonly number[]): Buffer {
  const keys = Uint32Array.from(indexes);
  return Buffer.from(keys.buffer);
}
