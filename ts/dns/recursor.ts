import { Cache, type CacheEntry, type CacheOptions } from './cache.js';
import type { Group } from './group.js';
import { type Asked, askedKey, askedOf } from './message.js';
import { isUseful, type Reply } from './reply.js';

export interface RecursorOptions extends CacheOptions {
  /** Hand out what is out of date when nobody answers (RFC 8767). */
  readonly serveStale: boolean;
  /** Questions at a time to the servers of each suffix; more are turned away. Those of another do not feel it. */
  readonly maxQuestions: number;
  /** Clients that wait for them at a time; more are turned away. */
  readonly maxWaiting: number;
}

export interface RecursorModules {
  readonly groups: ReadonlyMap<string, Group>;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** Where an answer comes from; `shed`: there was no room for the question. */
export type Origin = 'cache' | 'stale' | 'upstream' | 'failed' | 'shed';

/** What came of a question. Without a reply the client is told SERVFAIL. */
export interface Outcome {
  readonly origin: Origin;
  readonly reply?: Reply | undefined;
  /** Seconds since the reply came. */
  readonly age: number;
  /** For every record, when it is out of date, seconds. */
  readonly ttl?: number;
  readonly server?: string | undefined;
}

type Waiter = (outcome: Outcome) => void;

interface Job {
  readonly waiters: Set<Waiter>;
}

/** What is out of date is handed out for so long, seconds, and nobody asked again meanwhile (RFC 8767 §5). */
const staleTtl = 30;
const staleRetryMs = 30_000;
/** A client that could have something out of date does not wait longer for something fresh (RFC 8767 §5). */
const stalePatienceMs = 1_800;
/** A question nobody could answer is not asked again before (RFC 9520 §3.2: at least a second). */
const failureMs = 1_000;
const failuresKept = 10_000;
/** In the last tenth of its time, a name that is asked for is asked anew before anybody has to wait. */
const prefetchShare = 0.1;
const prefetchHits = 2;

/** Answers from others: kept, asked for once however many want them, and replaced by what is out of date when all fail. */
export class Recursor {
  readonly cache: Cache;
  readonly #jobs = new Map<string, Job>();
  /** How many of them there are, by group. */
  readonly #running = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  #waiting = 0;
  prefetches = 0;

  constructor(
    private readonly options: RecursorOptions,
    private readonly modules: RecursorModules,
  ) {
    this.cache = new Cache(options);
  }

  /** Whether anybody can be asked. */
  knows(group: string): boolean {
    return (this.modules.groups.get(group)?.upstreams.length ?? 0) > 0;
  }

  get questions(): number {
    return this.#jobs.size;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** The outcome if it is there; else `later` gets it, once. */
  resolve(group: string, asked: Asked, later: Waiter): Outcome | undefined {
    const now = this.modules.now();
    const key = askedKey(asked);
    const entry = this.cache.get(key, now);
    if (entry !== undefined && now < entry.expires) return this.#hit(group, key, entry, now);
    const stale = this.options.serveStale ? entry : undefined;
    if (stale !== undefined && now < stale.retryAt) return staleOutcome(stale);
    if (stale === undefined && now < (this.#failures.get(key) ?? 0)) return { origin: 'failed', age: 0 };
    return this.#join(group, key, stale, later);
  }

  #hit(group: string, key: string, entry: CacheEntry, now: number): Outcome {
    entry.hits += 1;
    const { stored, expires, reply } = entry;
    if (!entry.refreshing && entry.hits >= prefetchHits && expires - now < prefetchShare * (expires - stored)) {
      entry.refreshing = this.#start(group, key) !== undefined;
      if (entry.refreshing) this.prefetches += 1;
    }
    return { origin: 'cache', reply, age: Math.floor((now - stored) / 1000) };
  }

  #join(group: string, key: string, stale: CacheEntry | undefined, later: Waiter): Outcome | undefined {
    const job = this.#waiting < this.options.maxWaiting ? (this.#jobs.get(key) ?? this.#start(group, key)) : undefined;
    if (job === undefined) return stale === undefined ? { origin: 'shed', age: 0 } : staleOutcome(stale);
    this.#waiting += 1;
    let timer: NodeJS.Timeout | undefined;
    const waiter: Waiter = (outcome) => {
      clearTimeout(timer);
      job.waiters.delete(waiter);
      this.#waiting -= 1;
      later(outcome);
    };
    job.waiters.add(waiter);
    if (stale !== undefined) timer = setTimeout(() => waiter(staleOutcome(stale)), stalePatienceMs);
    return undefined;
  }

  /** undefined when there are too many questions already. */
  #start(group: string, key: string): Job | undefined {
    const servers = this.modules.groups.get(group);
    const running = this.#running.get(group) ?? 0;
    if (servers === undefined || running >= this.options.maxQuestions) return undefined;
    this.#running.set(group, running + 1);
    const job: Job = { waiters: new Set() };
    this.#jobs.set(key, job);
    servers.ask(askedOf(key), ({ reply, server }) => {
      this.#jobs.delete(key);
      this.#running.set(group, this.#running.get(group)! - 1);
      const outcome = this.#concluded(key, reply, server);
      for (const waiter of [...job.waiters]) waiter(outcome);
    });
    return job;
  }

  #concluded(key: string, reply: Reply | undefined, server: string | undefined): Outcome {
    const now = this.modules.now();
    if (reply !== undefined && isUseful(reply)) {
      this.cache.set(key, reply, now);
      this.#failures.delete(key);
      return { origin: 'upstream', reply, age: 0, server };
    }
    const entry = this.cache.get(key, now);
    if (entry !== undefined) entry.refreshing = false;
    if (entry !== undefined && this.options.serveStale) {
      entry.retryAt = now + staleRetryMs;
      return now < entry.expires
        ? { origin: 'cache', reply: entry.reply, age: ageOf(entry, now) }
        : staleOutcome(entry);
    }
    if (this.#failures.size >= failuresKept) this.#failures.clear();
    this.#failures.set(key, now + failureMs);
    return { origin: 'failed', age: 0, server };
  }
}

function staleOutcome({ reply }: CacheEntry): Outcome {
  return { origin: 'stale', reply, age: 0, ttl: staleTtl };
}

function ageOf({ stored }: CacheEntry, now: number): number {
  return Math.floor((now - stored) / 1000);
}
