import { type Endpoint, formatEndpoint } from '../model/address.js';
import type { Asked } from './message.js';
import { isUseful, type Reply } from './reply.js';
import { pickTwo } from './score.js';
import { Upstream, type UpstreamObserver } from './upstream.js';

/** All of a question, from the first server asked to the last. */
const totalMs = 5_000;
/** The same once somebody has said that he cannot help: those that are late may still know better, but not for ever. */
const enoughMs = 2_500;
/** Before others, or the same once more, are asked; a server that is known to be quick gets less. */
const patienceMs = 1_500;
const leastPatienceMs = 300;
/** So many times its mean may a server take. */
const slack = 8;

/** How a question ended. */
export interface Settled {
  /** The answer, if anybody gave one; its code may be one of failure. */
  readonly reply: Reply | undefined;
  /** Who gave it. */
  readonly server: string | undefined;
}

/** The servers for one suffix. */
export class Group {
  #upstreams: readonly Upstream[] = [];

  constructor(
    readonly name: string,
    private readonly observer: UpstreamObserver,
  ) {}

  get upstreams(): readonly Upstream[] {
    return this.#upstreams;
  }

  /** These servers from now on; of those that stay what is known of them stays too. */
  set(servers: readonly Endpoint[]): void {
    const known = new Map(this.#upstreams.map((one) => [one.name, one]));
    const wanted = new Map(servers.map((server) => [formatEndpoint(server), server]));
    this.#upstreams = [...wanted].map(([name, server]) => known.get(name) ?? new Upstream(server, this.observer));
    for (const [name, one] of known) if (!wanted.has(name)) one.close();
  }

  /** Asks two at a time; the first useful answer wins, a useless one only when there is no other. `done` is called once. */
  ask(asked: Asked, done: (settled: Settled) => void): void {
    new Race(this.#upstreams, asked, done).next();
  }

  close(): void {
    for (const upstream of this.#upstreams) upstream.close();
  }
}

class Race {
  readonly #began = Date.now();
  /** How often each was asked. */
  readonly #asked = new Map<Upstream, number>();
  /** Asked, and late; their answers are still welcome. */
  readonly #late = new Set<Upstream>();
  #running = 0;
  #settled = false;
  #enough: NodeJS.Timeout | undefined;
  #useless: Settled = { reply: undefined, server: undefined };

  constructor(
    private readonly upstreams: readonly Upstream[],
    private readonly asked: Asked,
    private readonly done: (settled: Settled) => void,
  ) {}

  next(): void {
    const candidates = this.#left < leastPatienceMs ? [] : this.#candidates();
    const now = Date.now();
    const chosen = pickTwo(candidates, (one) => one.score.value(now), Math.random);
    this.#running += chosen.length;
    for (const upstream of chosen) this.#ask(upstream);
    if (this.#running === 0) this.#settle(this.#useless);
  }

  get #left(): number {
    return this.#began + (this.#useless.reply === undefined ? totalMs : enoughMs) - Date.now();
  }

  /** Those not asked yet; then those that are late, if nobody said anything. One that cannot help is not asked twice. */
  #candidates(): readonly Upstream[] {
    const untried = this.upstreams.filter((one) => !this.#asked.has(one));
    if (untried.length > 0) return untried;
    return this.#useless.reply === undefined ? [...this.#late] : [];
  }

  #ask(upstream: Upstream): void {
    const times = this.#asked.get(upstream) ?? 0;
    this.#asked.set(upstream, times + 1);
    this.#late.delete(upstream);
    const wait = Math.min(this.#left, patience(upstream) * 2 ** times);
    const late = () => this.#beLate(upstream);
    upstream.ask(this.asked, { waitMs: wait, late }, (reply) => {
      this.#running -= 1;
      if (reply !== undefined && isUseful(reply)) this.#settle({ reply, server: upstream.name });
      else if (reply !== undefined) this.#beUseless({ reply, server: upstream.name });
      if (this.#running === 0 && !this.#settled) this.next();
    });
  }

  /** Others are asked meanwhile. @returns how much longer the answer is waited for, milliseconds */
  #beLate(upstream: Upstream): number {
    if (this.#settled) return 0;
    this.#late.add(upstream);
    this.next();
    return Math.max(0, this.#left);
  }

  #beUseless(settled: Settled): void {
    this.#useless = settled;
    this.#enough ??= setTimeout(() => this.#settle(this.#useless), this.#left);
  }

  #settle(settled: Settled): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#enough);
    this.done(settled);
  }
}

function patience({ score: { meanMs } }: Upstream): number {
  return meanMs === undefined ? patienceMs : Math.min(patienceMs, Math.max(leastPatienceMs, slack * meanMs));
}
