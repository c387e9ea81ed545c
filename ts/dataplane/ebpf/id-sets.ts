import { VipdError } from '../../util/errors.js';

/** As in bpf/lb.h, enum lb_size. */
const WAYS = 8;
const CHAIN = 4;
const TOMBSTONE = 0xffffffff;

/** Same function as `id_hash` in bpf/vip.h: the address's four words in memory order, port in network order. */
export function idHash(address: Uint8Array, port: number, protocol: number, seed: number): number {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  const networkPort = ((port & 0xff) << 8) | (port >> 8);
  let h = seed;
  h += Math.imul(view.getUint32(0, true), 0x9e3779b1) + Math.imul(view.getUint32(4, true), 0x85ebca77);
  h += Math.imul(view.getUint32(8, true), 0xc2b2ae3d) + Math.imul(view.getUint32(12, true), 0x27d4eb2f);
  h += Math.imul((protocol << 16) | networkPort, 0x165667b1);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * User space's copy of `vip_sets` or `reply_sets`, and the rules by which it changes: ways never move, so that a packet
 * in flight never misses what is there. Each method returns the index of the one set to write, after changing it here.
 */
export class IdSets {
  readonly #count: number;

  /**
   * @param words two a way: id, hash; `WAYS` ways a set; a power of two of sets. The very bytes of the map on a
   * little-endian machine, changed in place.
   */
  constructor(readonly words: Uint32Array) {
    this.#count = words.length / (WAYS * 2);
  }

  /** The ids of one set. */
  idsIn(set: number): number[] {
    const ids = Array.from({ length: WAYS }, (_, i) => this.words[(set * WAYS + i) * 2]!);
    return ids.filter((id) => id !== 0 && id !== TOMBSTONE);
  }

  /** @throws VipdError MAP_FULL when the sets of this hash have no way left */
  add(hash: number, id: number): number {
    for (const way of this.#chain(hash)) {
      const held = this.words[way * 2]!;
      if (held !== 0 && held !== TOMBSTONE) continue;
      this.#put(way, id, hash);
      return Math.floor(way / WAYS);
    }
    const cause = `${CHAIN * WAYS} entries with neighbouring hashes fill their sets`;
    throw new VipdError({ code: 'MAP_FULL', object: 'id sets', cause, hint: 'raise the limits of vips and backends' });
  }

  /** Undefined when it was not there. */
  remove(hash: number, id: number): number | undefined {
    const way = this.#find(hash, id);
    return way === undefined ? undefined : this.#erase(way);
  }

  /** Puts one id in the place of another with the same hash. Undefined when that was not there. */
  replace(hash: number, id: number, by: number): number | undefined {
    const way = this.#find(hash, id);
    if (way === undefined) return undefined;
    this.#put(way, by, hash);
    return Math.floor(way / WAYS);
  }

  has(hash: number, id: number): boolean {
    return this.#find(hash, id) !== undefined;
  }

  /**
   * Makes the sets, found with anything in them, hold these ids and nothing else, each where a probe finds it. What is
   * right already stays where it is.
   * @param wanted hashes by id
   */
  settle(wanted: ReadonlyMap<number, number>): void {
    const missing = new Map(wanted);
    for (let way = 0; way < this.#count * WAYS; way++) {
      const [id, hash] = [this.words[way * 2]!, this.words[way * 2 + 1]!];
      if ((id === 0 || id === TOMBSTONE) && hash === 0) continue;
      if (missing.get(id) === hash && this.#find(hash, id) === way) missing.delete(id);
      else this.#erase(way);
    }
    for (const [id, hash] of missing) this.add(hash, id);
  }

  #find(hash: number, id: number): number | undefined {
    for (const way of this.#chain(hash)) {
      if (this.words[way * 2] === 0) return undefined;
      if (this.words[way * 2] === id && this.words[way * 2 + 1] === hash) return way;
    }
    return undefined;
  }

  #erase(way: number): number {
    const set = Math.floor(way / WAYS);
    this.#put(way, TOMBSTONE, 0);
    // Behind the last way of a set a probe may have gone on to the next set: such a tombstone stays.
    if (this.words[(set * WAYS + WAYS - 1) * 2] === 0) this.#trim(set);
    return set;
  }

  #trim(set: number): void {
    for (let way = set * WAYS + WAYS - 1; way >= set * WAYS; way--) {
      const held = this.words[way * 2];
      if (held !== 0 && held !== TOMBSTONE) return;
      this.#put(way, 0, 0);
    }
  }

  #put(way: number, id: number, hash: number): void {
    this.words[way * 2] = id;
    this.words[way * 2 + 1] = hash;
  }

  /** The ways a probe for this hash looks at, in its order. */
  *#chain(hash: number): Generator<number> {
    for (let hop = 0; hop < CHAIN; hop++) {
      const set = (hash + hop) & (this.#count - 1);
      for (let i = 0; i < WAYS; i++) yield set * WAYS + i;
    }
  }
}
