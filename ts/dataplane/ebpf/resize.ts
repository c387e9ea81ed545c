import type { BpfMap } from '../../libbpf/map.js';
import { type Conversion, convertedFlow, type FlowLayout } from './convert.js';
import { IdSets } from './id-sets.js';
import { FlowBits, FlowIdle, FlowState, LbSize } from './lb.gen.js';
import { indexBytes } from './mirror.js';

/** Entries moved by one system call. */
const SLICE = 1024;
const WAYS = LbSize.FLOW_SET_WAYS;

/**
 * Whether a map that holds something is to be replaced by one of another size. Ids are kept, so what they index only
 * grows; flows may become fewer.
 */
export function isReplaced(name: string, held: number, wanted: number | undefined): boolean {
  if (wanted === undefined || held === wanted) return false;
  return name === 'flows' || wanted > held;
}

/** Fills a new map, which no program uses yet, with what is in the one it replaces. */
export function copyMap(name: string, from: BpfMap, to: BpfMap, as: Reading): void {
  if (name === 'flows') {
    const words = new BigUint64Array(to.info.maxEntries * WAYS);
    spreadFlows(flowsOf(from, as), words, to.info.maxEntries, as.age);
    writeArray(to, bytesOf(words));
  } else if (HASHES.has(to.info.type)) copyHash(from, to, as);
  else if (name.endsWith('_sets')) writeArray(to, bytesOf(rehashed(new Uint32Array(wordsOf(from).buffer), to)));
  else writeArray(to, converted(readArray(from), from, to, as));
}

/** How what is in a map of another version is to be understood. */
export interface Reading extends Layout {
  /** Of a flow that is heard of now. */
  readonly age: number;
}

/** How an entry is laid out, where it is otherwise than now. */
export interface Layout {
  readonly conversion?: Conversion | undefined;
  /** Of flows. */
  readonly flowLayout?: FlowLayout | undefined;
}

/** enum bpf_map_type of linux/bpf.h: hash, LRU hash, LPM trie. */
const HASHES = new Set([1, 9, 11]);

/** The flows that are tracked by all of their ends, and the answers by which they are found. */
export interface ExactMaps {
  readonly flows: BpfMap;
  readonly answers: BpfMap;
  /** Where in a flow its answer is. */
  readonly answerAt: number;
}

/** Copies exact flows into maps that no program uses yet. */
export function copyExact(from: BpfMap, to: ExactMaps, as: Layout = {}): void {
  const entries = [...entriesOf(from, as)];
  if (entries.length === 0) return;
  const keys = Buffer.concat(entries.map(([key]) => key));
  to.answers.setBatch(Buffer.concat(entries.map(([, value]) => answerIn(value, to))), keys, entries.length);
  to.flows.setBatch(keys, Buffer.concat(entries.map(([, value]) => value)), entries.length);
}

/**
 * Adds those that have begun since, while programs use the new maps: what is there is newer. Not one whose answer has been
 * given to another flow meanwhile.
 */
export function copyExactRest(from: BpfMap, to: ExactMaps, as: Layout = {}): void {
  for (const [key, value] of entriesOf(from, as)) {
    const answer = answerIn(value, to);
    if (to.flows.get(key) !== undefined || to.answers.get(answer)?.equals(key) === false) continue;
    to.answers.set(answer, key);
    to.flows.set(key, value);
  }
}

/** Takes away all entries of a hash map. */
export function clear(map: BpfMap): void {
  const { keys, count } = map.dump();
  if (count > 0) map.deleteBatch(keys, count);
}

function answerIn(value: Buffer, { flows, answerAt }: ExactMaps): Buffer {
  return value.subarray(answerAt, answerAt + flows.info.keySize);
}

function copyHash(from: BpfMap, to: BpfMap, as: Layout): void {
  for (const [key, value] of entriesOf(from, as)) to.set(key, value);
}

function* entriesOf(map: BpfMap, { conversion }: Layout): Generator<[Buffer, Buffer]> {
  const { keys, values, count } = map.dump();
  const { keySize, valueSize } = map.info;
  for (let i = 0; i < count; i++) {
    const key = keys.subarray(i * keySize, (i + 1) * keySize);
    const value = values.subarray(i * valueSize, (i + 1) * valueSize);
    yield [conversion?.key(key) ?? key, conversion?.value(value) ?? value];
  }
}

/** Entries of an array, in the layout of the new one; with one for each CPU where the map has those. */
function converted(bytes: Buffer, from: BpfMap, to: BpfMap, { conversion }: Layout): Buffer {
  if (conversion === undefined) return bytes;
  const [before, after] = [slotOf(from), slotOf(to)];
  const blank = Buffer.alloc(before);
  const slots = bytes.length / before;
  const result = Buffer.from(new ArrayBuffer(slots * after));
  for (let i = 0; i < slots; i++) {
    const slot = bytes.subarray(i * before, (i + 1) * before);
    if (!slot.equals(blank)) conversion.value(slot).copy(result, i * after);
  }
  return result;
}

/** Bytes from one value to the next: those of each CPU are rounded up. */
function slotOf({ info, valueStride }: BpfMap): number {
  const rounded = Math.ceil(info.valueSize / 8) * 8;
  return valueStride % rounded === 0 ? rounded : valueStride;
}

/** Without those that only programs can take over, by their hash. */
function flowsOf(map: BpfMap, { flowLayout }: Layout): BigUint64Array {
  const words = wordsOf(map);
  return flowLayout === undefined
    ? words
    : words.map((word) => (word === 0n ? 0n : (convertedFlow(word, flowLayout) ?? 0n)));
}

/**
 * Adds the flows that came into the old table after it was copied, and that the programs, which use the new one by now,
 * have not taken over themselves. Few: a set is read anew before it is written, for they change it meanwhile.
 */
export function copyRest(from: BpfMap, to: BpfMap, as: Reading): void {
  const sets = to.info.maxEntries;
  const larger = sets > from.info.maxEntries;
  const words = wordsOf(to);
  for (const [i, word] of flowsOf(from, as).entries()) {
    if (word === 0n) continue;
    const possible = [...targets(Math.floor(i / WAYS), from.info.maxEntries, sets)];
    if (possible.some((set) => holdsFlow(words, set, word))) continue;
    for (const set of possible) {
      const now = new BigUint64Array(WAYS);
      to.readArray(set, new Uint8Array(now.buffer));
      if (put(now, 0, larger ? doubtful(word, as.age) : word)) to.set(indexBytes([set]), bytesOf(now));
    }
  }
}

/**
 * Pure: adds what is in the old table to one of `sets` sets. An entry does not hold all of its hash, so in a larger table it stands in
 * every set it may belong to, in doubt: its next packets prove it where it is looked for, the others give way to new flows.
 * In a smaller one the proven come first where there are too many. @param age of a flow that is heard of now
 */
export function spreadFlows(old: BigUint64Array, words: BigUint64Array, sets: number, age: number): void {
  const before = old.length / WAYS;
  for (const proven of [true, false]) {
    for (let i = 0; i < old.length; i++) {
      if (old[i] === 0n || isProven(old[i]!) !== proven) continue;
      const word = sets > before ? doubtful(old[i]!, age) : old[i]!;
      for (const set of targets(Math.floor(i / WAYS), before, sets)) put(words, set, word);
    }
  }
}

/** The sets of the new table whose index agrees with the old one in the bits that both have. */
function* targets(set: number, before: number, sets: number): Generator<number> {
  if (sets <= before) yield set % sets;
  else for (let at = set; at < sets; at += before) yield at;
}

function holdsFlow(words: BigUint64Array, set: number, word: bigint): boolean {
  const shift = BigInt(FlowBits.FLOW_TAG_SHIFT);
  return words.subarray(set * WAYS, (set + 1) * WAYS).some((held) => held >> shift === word >> shift);
}

/** False when it is there already, or there is no room. */
function put(words: BigUint64Array, set: number, word: bigint): boolean {
  const shift = BigInt(FlowBits.FLOW_TAG_SHIFT);
  let free = -1;
  for (let i = set * WAYS; i < (set + 1) * WAYS; i++) {
    const held = words[i]!;
    if (held >> shift === word >> shift) return false;
    if (held === 0n && free < 0) free = i;
  }
  if (free >= 0) words[free] = word;
  return free >= 0;
}

const STATE_SHIFT = BigInt(FlowBits.FLOW_STATE_SHIFT);
const STATES = (1n << BigInt(FlowBits.FLOW_STATE_BITS)) - 1n;

function stateOf(word: bigint): number {
  return Number((word >> STATE_SHIFT) & STATES);
}

function isProven(word: bigint): boolean {
  const state = stateOf(word);
  return state === FlowState.FLOW_ESTABLISHED || state === FlowState.FLOW_REPLIED;
}

const AGES = (1n << BigInt(FlowBits.FLOW_AGE_BITS)) - 1n;
/** Half an hour, in units of an age. */
const TRIAL = 112;
const TRIAL_BEGINS = BigInt(FlowIdle.FLOW_IDLE_LIMIT - TRIAL);

/**
 * One of the copies of a flow, of which all but one are false. An established flow may be silent for long and yet is not to be
 * lost, so it gives way no sooner than half an hour from now; any other as soon as room is needed.
 */
function doubtful(word: bigint, age: number): bigint {
  if (stateOf(word) !== FlowState.FLOW_ESTABLISHED) return unproven(word);
  const idle = (BigInt(age) - word) & AGES;
  return idle >= TRIAL_BEGINS ? word : (word & ~AGES) | ((BigInt(age) - TRIAL_BEGINS) & AGES);
}

function unproven(word: bigint): bigint {
  return (word & ~(STATES << STATE_SHIFT)) | (BigInt(FlowState.FLOW_NEW) << STATE_SHIFT);
}

/** The ids of `old` in sets as many as the new map has. */
function rehashed(old: Uint32Array, to: BpfMap): Uint32Array {
  const words = new Uint32Array((to.info.maxEntries * to.valueStride) / 4);
  const sets = new IdSets(words);
  for (let i = 0; i < old.length; i += 2) {
    const [id, hash] = [old[i]!, old[i + 1]!];
    if (id !== 0 && id !== 0xffffffff) sets.add(hash, id);
  }
  return words;
}

function wordsOf(map: BpfMap): BigUint64Array {
  const bytes = readArray(map);
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
}

function bytesOf(words: BigUint64Array | Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength);
}

function readArray(map: BpfMap): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(map.info.maxEntries * map.valueStride));
  for (let first = 0; first < map.info.maxEntries; first += SLICE) {
    const last = Math.min(map.info.maxEntries, first + SLICE);
    map.readArray(first, bytes.subarray(first * map.valueStride, last * map.valueStride));
  }
  return bytes;
}

/** Writes the entries that `bytes` has, from the first on; what is 0 there is 0 in a new map. */
function writeArray(map: BpfMap, bytes: Buffer): void {
  const stride = map.valueStride;
  const blank = Buffer.alloc(stride);
  const used = Array.from({ length: bytes.length / stride }, (_, i) => i).filter(
    (i) => blank.compare(bytes, i * stride, (i + 1) * stride) !== 0,
  );
  for (let at = 0; at < used.length; at += SLICE) {
    const part = used.slice(at, at + SLICE);
    const values = Buffer.concat(part.map((i) => bytes.subarray(i * stride, (i + 1) * stride)));
    map.setBatch(indexBytes(part), values, part.length);
  }
}
