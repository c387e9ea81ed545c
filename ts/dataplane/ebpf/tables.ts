import type { BpfMap } from '../../libbpf/map.js';
import { LbSize } from './lb.gen.js';
import { indexBytes } from './mirror.js';

const CHUNK_SLOTS = LbSize.TABLE_CHUNK_SLOTS;
/** Chunks moved by one system call. */
const SLICE = 256;

/** A selection table in the kernel: a run of chunks. */
export interface Table {
  /** First chunk. */
  readonly first: number;
  readonly chunks: number;
  /** Of its slots, see {@link checksum}; what a read-back must give. undefined where it is laid out anew all the time. */
  readonly checksum: number | undefined;
}

export function slotsOf(table: Table): number {
  return table.chunks * CHUNK_SLOTS;
}

/** Order-dependent sum of the slots: tells damage, not malice. */
export function checksum(slots: Uint32Array, from = 0, to = slots.length): number {
  let sum = 0x811c9dc5;
  for (let i = from; i < to; i++) sum = Math.imul(sum ^ slots[i]!, 0x01000193);
  return sum;
}

/** Writes the slots of many tables; each slot is a backend's id. */
export function writeTables(map: BpfMap, tables: readonly { first: number; slots: Uint32Array }[]): void {
  let indexes: number[] = [];
  let values: Uint8Array[] = [];
  const flush = (): void => {
    if (indexes.length > 0) map.setBatch(indexBytes(indexes), Buffer.concat(values), indexes.length);
    indexes = [];
    values = [];
  };
  for (const { first, slots } of tables) {
    for (let at = 0; at < slots.length; at += CHUNK_SLOTS) {
      indexes.push(first + at / CHUNK_SLOTS);
      values.push(new Uint8Array(slots.buffer, slots.byteOffset + at * 4, CHUNK_SLOTS * 4));
      if (indexes.length === SLICE) flush();
    }
  }
  flush();
}

/** The tables that do not hold what their checksum says, by reading them back in the order of their chunks. */
export function damagedTables<T extends { readonly table: Table }>(map: BpfMap, owners: readonly T[]): T[] {
  const damaged: T[] = [];
  const inOrder = [...owners].sort((a, b) => a.table.first - b.table.first);
  const window = new Window(map);
  for (const owner of inOrder) {
    const { first, chunks } = owner.table;
    if (owner.table.checksum === undefined) continue;
    if (checksum(window.read(first, chunks)) !== owner.table.checksum) damaged.push(owner);
  }
  return damaged;
}

/** Reads runs of chunks, many small ones by one system call. */
class Window {
  #slots = new Uint32Array(SLICE * CHUNK_SLOTS);
  #first = 0;
  #chunks = 0;

  constructor(readonly map: BpfMap) {}

  read(first: number, chunks: number): Uint32Array {
    if (first < this.#first || first + chunks > this.#first + this.#chunks) this.#move(first, chunks);
    const from = (first - this.#first) * CHUNK_SLOTS;
    return this.#slots.subarray(from, from + chunks * CHUNK_SLOTS);
  }

  #move(first: number, wanted: number): void {
    this.#first = first;
    this.#chunks = Math.min(this.map.info.maxEntries - first, Math.max(wanted, SLICE));
    const words = this.#chunks * CHUNK_SLOTS;
    if (this.#slots.length < words) this.#slots = new Uint32Array(words);
    this.map.readArray(first, new Uint8Array(this.#slots.buffer, 0, words * 4));
  }
}
