import type { Random } from '../random.js';
import { Headers, word } from './headers.js';
import { type Scene, sourcePorts } from './scene.js';
import { updated } from './sums.js';

/** A frame being made: the first `size` bytes of `bytes`, which may grow to all of them. */
export interface Draft {
  readonly bytes: Buffer;
  size: number;
}

/** A little damage. The headers are those of the frame before any; the frame has 14 bytes at least. */
type Mutation = (draft: Draft, headers: Headers, random: Random) => void;

const SHORTEST = 14;
const BYTES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const WORDS = [0, 1, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff];
const PROTOCOLS = [0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 136, 255];
const ETHERTYPES = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x8847];

/** Turns seeds into frames that are new and yet get past the first checks. */
export class Mutator {
  readonly #headers = new Headers();
  readonly #mutations: readonly Mutation[];

  constructor(
    readonly seeds: readonly Buffer[],
    readonly scene: Scene,
  ) {
    const readdress = this.#readdress.bind(this);
    const splice = this.#splice.bind(this);
    const aim = this.#aim.bind(this);
    // The ones that keep a frame readable come more often.
    this.#mutations = [
      ...[readdress, readdress, report, report, reflag, aim, resum, resize],
      ...[flipBit, flipBit, setByte, setWord, reprotocol, tag, cut, extend, insert, remove, splice],
    ];
  }

  /** Fills the draft: a seed with none to four changes, once in a while pure noise. */
  make(draft: Draft, random: Random): void {
    if (random.oneIn(40)) {
      noise(draft, random);
      return;
    }
    const seed = random.pick(this.seeds);
    draft.bytes.set(seed, 0);
    draft.size = seed.length;
    this.#headers.read(draft.bytes, draft.size);
    for (let left = random.below(5); left > 0; left--) {
      this.#mutations[random.below(this.#mutations.length)]!(draft, this.#headers, random);
    }
  }

  /** Another address that plays a part, whole or in part, as source or destination. */
  #readdress({ bytes, size }: Draft, { source, destination, addressLength }: Headers, random: Random): void {
    if (addressLength === 0) return;
    const at = random.oneIn(2) ? source : destination;
    const address = random.pick(this.scene.addresses);
    const last = Math.min(size, at + addressLength);
    if (address.length === addressLength && !random.oneIn(8))
      bytes.set(address.subarray(0, Math.max(0, last - at)), at);
    else if (at + 1 < last) bytes[last - 1 - random.below(4)] = random.word();
  }

  /** A transport checksum that comes out at the edge of its range when the packet goes to one of the backends. */
  #aim(draft: Draft, headers: Headers, random: Random): void {
    const { destination, addressLength, checksum, l4 } = headers;
    const { address, port } = random.pick(this.scene.backends);
    if (address.length !== addressLength || checksum + 1 >= draft.size) return;
    // From the future back to the present.
    let change = word(draft.bytes, l4 + 2) + (port ^ 0xffff);
    for (let i = 0; i < addressLength; i += 2) {
      change += word(draft.bytes, destination + i) + (((address[i]! << 8) | address[i + 1]!) ^ 0xffff);
    }
    put(draft, checksum, updated(random.pick(WORDS), change));
  }

  /** The end of another seed behind the beginning of this one. */
  #splice(draft: Draft, _: Headers, random: Random): void {
    const other = random.pick(this.seeds);
    const from = random.below(Math.min(other.length, draft.size));
    const size = Math.min(other.length, draft.bytes.length);
    other.copy(draft.bytes, from, from, size);
    draft.size = Math.max(SHORTEST, size);
  }
}

function noise(draft: Draft, random: Random): void {
  draft.size = SHORTEST + random.below(Math.min(140, draft.bytes.length - SHORTEST));
  for (let at = 0; at < draft.size; at++) draft.bytes[at] = random.word();
  if (random.oneIn(2)) put(draft, 12, random.pick(ETHERTYPES));
}

function report(draft: Draft, { l4 }: Headers, random: Random): void {
  const ports = [80, 81, 82, 83, 84, 85, 8080, 40000, random.word() & 0xffff];
  const source = sourcePorts.first + random.below(sourcePorts.last - sourcePorts.first + 1);
  const port = random.oneIn(4) ? source : random.pick(ports);
  put(draft, l4 + (random.oneIn(2) ? 2 : 0), port);
}

function reflag(draft: Draft, { l4 }: Headers, random: Random): void {
  if (l4 + 13 < draft.size) draft.bytes[l4 + 13] = random.word();
}

/** Checksums that look like none, or like minus zero. */
function resum(draft: Draft, headers: Headers, random: Random): void {
  const at = random.oneIn(3) && headers.addressLength === 4 ? headers.l3 + 10 : headers.checksum;
  put(draft, at, random.pick(WORDS));
}

/** Lengths that do not agree with each other or with the frame. */
function resize(draft: Draft, { l3, l4, addressLength }: Headers, random: Random): void {
  const at = [l3 + (addressLength === 4 ? 2 : 4), l4 + 4, l4 + 12, l3][random.below(4)]!;
  if (at >= draft.size) return;
  if (random.oneIn(2)) draft.bytes[at] = random.word();
  else put(draft, at, random.oneIn(2) ? random.below(100) : random.pick(WORDS));
}

function reprotocol(draft: Draft, { l3, addressLength }: Headers, random: Random): void {
  const at = l3 + (addressLength === 4 ? 9 : 6);
  if (at < draft.size) draft.bytes[at] = random.pick(PROTOCOLS);
}

function flipBit({ bytes, size }: Draft, _: Headers, random: Random): void {
  bytes[random.below(size)]! ^= 1 << random.below(8);
}

function setByte({ bytes, size }: Draft, _: Headers, random: Random): void {
  bytes[random.below(size)] = random.pick(BYTES);
}

function setWord(draft: Draft, _: Headers, random: Random): void {
  put(draft, random.below(draft.size >> 1) * 2, random.pick(WORDS));
}

function tag(draft: Draft, _: Headers, random: Random): void {
  if (!shift(draft, 12, 4)) return;
  put(draft, 12, random.pick(ETHERTYPES));
  put(draft, 14, random.word() & 0xffff);
}

function cut(draft: Draft, _: Headers, random: Random): void {
  draft.size = SHORTEST + random.below(draft.size - SHORTEST + 1);
}

function extend(draft: Draft, _: Headers, random: Random): void {
  const end = Math.min(draft.bytes.length, draft.size + 1 + random.below(40));
  for (; draft.size < end; draft.size++) draft.bytes[draft.size] = random.word();
}

function insert(draft: Draft, _: Headers, random: Random): void {
  const at = SHORTEST + random.below(draft.size - SHORTEST + 1);
  const count = 1 + random.below(8);
  if (!shift(draft, at, count)) return;
  for (let i = 0; i < count; i++) draft.bytes[at + i] = random.word();
}

function remove(draft: Draft, _: Headers, random: Random): void {
  const at = random.below(draft.size);
  const count = Math.min(1 + random.below(8), draft.size - at, draft.size - SHORTEST);
  draft.bytes.copy(draft.bytes, at, at + count, draft.size);
  draft.size -= count;
}

/** Makes room; false when there is none. */
function shift(draft: Draft, at: number, count: number): boolean {
  if (draft.size + count > draft.bytes.length) return false;
  draft.bytes.copy(draft.bytes, at + count, at, draft.size);
  draft.size += count;
  return true;
}

function put({ bytes, size }: Draft, at: number, value: number): void {
  if (at + 1 < size) bytes.writeUInt16BE(value, at);
}
