import type { Reply } from './reply.js';

export interface CacheOptions {
  /** All it may hold, bytes; what is used least goes first. */
  readonly bytes: number;
  /** How long a reply is kept beyond its time, for when nobody answers, milliseconds. */
  readonly staleMs: number;
}

export interface CacheEntry {
  readonly reply: Reply;
  /** When it came, milliseconds of the clock. */
  readonly stored: number;
  /** When its time is over. */
  readonly expires: number;
  /** Answers given from it. */
  hits: number;
  /** Looked at since the clock's hand passed last. */
  used: boolean;
  /** Somebody asks for a newer one already. */
  refreshing: boolean;
  /** After a failure nobody is asked again before, milliseconds of the clock. */
  retryAt: number;
}

/** What an entry costs beside its bytes: objects, its place in the table, two small arrays. Measured, rounded up. */
const overhead = 500;

/** Replies of others by question. Bounded in bytes; which to give up a clock decides (second chance). */
export class Cache {
  readonly #entries = new Map<string, CacheEntry>();
  #bytes = 0;
  evictions = 0;

  constructor(private readonly options: CacheOptions) {}

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is known, fresh or stale; what is too old even for that is forgotten. */
  get(key: string, now: number): CacheEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (now >= entry.expires + this.options.staleMs) {
      this.#remove(key, entry);
      return undefined;
    }
    entry.used = true;
    return entry;
  }

  set(key: string, reply: Reply, now: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    const cost = costOf(key, reply);
    if (reply.ttl === 0 || cost > this.options.bytes) return;
    this.#makeRoom(cost);
    const expires = now + reply.ttl * 1000;
    this.#entries.set(key, { reply, stored: now, expires, hits: 0, used: false, refreshing: false, retryAt: 0 });
    this.#bytes += cost;
  }

  /** Forgets everything; @returns how many entries that were. */
  clear(): number {
    const { size } = this.#entries;
    this.#entries.clear();
    this.#bytes = 0;
    return size;
  }

  *entries(): Generator<readonly [string, CacheEntry]> {
    yield* this.#entries;
  }

  #makeRoom(cost: number): void {
    while (this.#bytes + cost > this.options.bytes) {
      const [key, entry] = this.#entries.entries().next().value!;
      this.#remove(key, entry);
      if (entry.used) {
        entry.used = false;
        this.#entries.set(key, entry);
        this.#bytes += costOf(key, entry.reply);
      } else this.evictions += 1;
    }
  }

  #remove(key: string, { reply }: CacheEntry): void {
    this.#entries.delete(key);
    this.#bytes -= costOf(key, reply);
  }
}

function costOf(key: string, reply: Reply): number {
  return overhead + 2 * key.length + reply.bytes.length + 4 * reply.starts.length;
}
