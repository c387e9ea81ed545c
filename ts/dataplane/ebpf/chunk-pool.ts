import { VipdError } from '../../util/errors.js';

/** Runs of chunks of `tables`, each a power of two long and aligned to its length: a buddy allocator (Knuth, TAOCP 2.5). */
export class ChunkPool {
  /** Free runs by order; a run of order n has 2^n chunks. */
  readonly #free: Set<number>[] = [];
  readonly #limit: number;
  #taken = 0;

  /** @param limit chunks; a power of two. Chunk 0 is never given out: a table reference of 0 means none. */
  constructor(limit: number) {
    this.#limit = limit;
    for (let order = 0; 1 << order <= limit; order++) this.#free.push(new Set());
    this.#free[Math.log2(limit)]!.add(0);
    this.adopt(0, 1);
  }

  get taken(): number {
    return this.#taken;
  }

  /** Marks a run found in the kernel. False when it is no run, or a part of it is taken already. */
  adopt(first: number, count: number): boolean {
    const order = Math.log2(count);
    if (!Number.isInteger(order) || order < 0 || first % count !== 0 || first + count > this.#limit) return false;
    for (let above = order; above < this.#free.length; above++) {
      const start = Math.floor(first / (1 << above)) * (1 << above);
      if (!this.#free[above]!.delete(start)) continue;
      this.#split(start, above, first, order);
      this.#taken += count;
      return true;
    }
    return false;
  }

  /** First chunk of a free run. @throws VipdError MAP_FULL */
  take(count: number): number {
    const order = Math.log2(count);
    for (let above = order; above < this.#free.length; above++) {
      const [start] = this.#free[above]!;
      if (start === undefined) continue;
      this.#free[above]!.delete(start);
      this.#split(start, above, start, order);
      this.#taken += count;
      return start;
    }
    throw new VipdError({
      code: 'MAP_FULL',
      object: 'map tables',
      cause: `no ${count} free chunks in a row, ${this.#limit - this.#taken} of ${this.#limit} are free`,
      hint: 'raise limits.backends',
    });
  }

  give(first: number, count: number): void {
    this.#taken -= count;
    let start = first;
    for (let order = Math.log2(count); ; order++) {
      const buddy = start ^ (1 << order);
      if (order + 1 >= this.#free.length || !this.#free[order]!.delete(buddy)) {
        this.#free[order]!.add(start);
        return;
      }
      start = Math.min(start, buddy);
    }
  }

  /** Halves the run `start` of order `from` until `wanted` of order `to` is by itself; the other halves are free. */
  #split(start: number, from: number, wanted: number, to: number): void {
    for (let order = from - 1; order >= to; order--) {
      const middle = start + (1 << order);
      this.#free[order]!.add(wanted < middle ? middle : start);
      if (wanted >= middle) start = middle;
    }
  }
}
