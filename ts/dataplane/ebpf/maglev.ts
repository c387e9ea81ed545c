import { LbSize } from './lb.gen.js';

/** A backend to be chosen. */
export interface Candidate {
  /** Identity, the same on every node: `10.0.0.1:8080`. */
  readonly key: string;
  /** 1 or more. */
  readonly weight: number;
}

const SLOTS_PER_BACKEND = 50;
const SLOTS_MIN = 64;
const SLOTS_MAX = 1 << 18;
/** Slots for the lightest backend, so that weights show in its share. */
const SLOTS_OF_LIGHTEST = 4;
const SLOTS_FOR_WEIGHTS = 1 << 14;

/**
 * Slots of the table for these candidates; a power of two, so that a slot is a mask away. Equal weights differ by at most
 * one slot, that is 2 % of a share.
 */
export function tableSize(candidates: readonly Candidate[]): number {
  if (candidates.length === 0) return 0;
  let sum = 0;
  let lightest = Number.POSITIVE_INFINITY;
  for (const { weight } of candidates) {
    sum += weight;
    lightest = Math.min(lightest, weight);
  }
  const forWeights = Math.min(SLOTS_FOR_WEIGHTS, (SLOTS_OF_LIGHTEST * sum) / lightest);
  const wanted = Math.max(SLOTS_MIN, SLOTS_PER_BACKEND * candidates.length, forWeights);
  return Math.min(SLOTS_MAX, 2 ** Math.ceil(Math.log2(wanted)));
}

/** What backends of these weights take of the room for tables and backends, in backends: there are two chunks for each. */
export function backendsWorth(weights: readonly number[]): number {
  const candidates = weights.filter((weight) => weight > 0).map((weight) => ({ key: '', weight }));
  return Math.max(weights.length, tableSize(candidates) / LbSize.TABLE_CHUNK_SLOTS / 2);
}

/**
 * Weighted Maglev (Eisenbud et al., NSDI 2016, §3.4): each candidate walks its own permutation of the slots and takes the
 * next free one in its turn; turns come as often as weights say. A function of the set alone: any order of candidates
 * gives the same table. @returns for each slot an index into `candidates`; empty without candidates
 */
export function maglevTable(candidates: readonly Candidate[], size = tableSize(candidates)): Uint16Array {
  const table = new Uint16Array(size).fill(UNTAKEN);
  const order = candidates.map((_, i) => i).sort((a, b) => (candidates[a]!.key < candidates[b]!.key ? -1 : 1));
  const heaviest = candidates.reduce((most, { weight }) => Math.max(most, weight), 0);
  const walks = order.map((index) => new Walk(index, candidates[index]!, heaviest, size));
  for (let left = size; left > 0; ) {
    for (const walk of walks) {
      walk.credit += walk.weight;
      if (walk.credit < heaviest) continue;
      walk.credit -= heaviest;
      walk.takeNext(table);
      if (--left === 0) break;
    }
  }
  return table;
}

const UNTAKEN = 0xffff;

/** One candidate's way through the slots: offset + n · skip; an odd skip visits every slot of a power of two. */
class Walk {
  readonly weight: number;
  credit: number;
  readonly #mask: number;
  readonly #skip: number;
  #at: number;

  constructor(
    readonly index: number,
    { key, weight }: Candidate,
    heaviest: number,
    size: number,
  ) {
    this.weight = weight;
    // A turn in the first round: the lightest of many has a slot too.
    this.credit = heaviest - weight;
    this.#mask = size - 1;
    this.#at = textHash(key, 0x2f0b4c47) & this.#mask;
    this.#skip = (textHash(key, 0x85ebca77) & this.#mask) | 1;
  }

  takeNext(table: Uint16Array): void {
    const [mask, skip] = [this.#mask, this.#skip];
    let at = this.#at;
    while (table[at] !== UNTAKEN) at = (at + skip) & mask;
    table[at] = this.index;
    this.#at = at;
  }
}

/** FNV-1a over the code units, then the finish of MurmurHash3: all bits of the result depend on all of the text. */
function textHash(text: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
