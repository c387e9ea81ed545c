import { VipdError } from '../../util/errors.js';

/**
 * Ids 1 … limit − 1 of one map; 0 means none. Ids that were never used go first, then those given back longest ago, so
 * that a stale reference meets another owner as late as can be.
 */
export class IdPool {
  readonly #used: Uint8Array;
  #returned: number[] = [];
  #head = 0;
  #fresh = 1;
  #taken = 0;

  constructor(
    readonly limit: number,
    /** What runs out, and the option that raises it: `backends`. */
    readonly what: string,
  ) {
    this.#used = new Uint8Array(limit);
  }

  get taken(): number {
    return this.#taken;
  }

  get full(): boolean {
    return this.#taken === this.limit - 1;
  }

  /** Marks an id found in the kernel. */
  adopt(id: number): void {
    if (this.#used[id] === 1) return;
    this.#used[id] = 1;
    this.#taken++;
  }

  /** @throws VipdError MAP_FULL */
  take(): number {
    while (this.#fresh < this.limit) {
      const id = this.#fresh++;
      if (this.#used[id] === 0) return this.#claim(id);
    }
    const id = this.#returned[this.#head];
    if (id !== undefined) return this.#reclaim(id);
    throw new VipdError({
      code: 'MAP_FULL',
      object: `map ${this.what}`,
      cause: `all ${this.limit - 1} entries are taken`,
      hint: `raise limits.${this.what}`,
    });
  }

  give(id: number): void {
    if (this.#used[id] === 0) return;
    this.#used[id] = 0;
    this.#taken--;
    if (id < this.#fresh) this.#returned.push(id);
  }

  /** A queue that forgets its front in large steps: `shift` would move what is left each time. */
  #reclaim(id: number): number {
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#returned.length) {
      this.#returned = this.#returned.slice(this.#head);
      this.#head = 0;
    }
    return this.#claim(id);
  }

  #claim(id: number): number {
    this.#used[id] = 1;
    this.#taken++;
    return id;
  }
}
