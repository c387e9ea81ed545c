import { type Endpoint, formatEndpoint } from '../model/address.js';
import type { Asked } from './message.js';
import { isUseful, type Reply } from './reply.js';
import { pickTwo } from './score.js';
import { Upstream, type UpstreamObserver } from './upstream.js';

/** All of a question, from the first server asked to the last. */
const totalMs = 5_000;
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
  readonly #ends = Date.now() + totalMs;
  readonly #tried = new Set<Upstream>();
  readonly #silent = new Set<Upstream>();
  #running = 0;
  #settled = false;
  #useless: Settled = { reply: undefined, server: undefined };

  constructor(
    private readonly upstreams: readonly Upstream[],
    private readonly asked: Asked,
    private readonly done: (settled: Settled) => void,
  ) {}

  next(): void {
    const now = Date.now();
    const left = this.#ends - now;
    const candidates = this.#candidates();
    const over = candidates.length === 0 || left < leastPatienceMs;
    if (over) this.#settle(this.#useless);
    const chosen = over ? [] : pickTwo(candidates, (one) => one.score.value(now), Math.random);
    this.#running += chosen.length;
    for (const upstream of chosen) this.#ask(upstream, Math.min(left, patience(upstream)));
  }

  /** Those not asked yet; then those that said nothing, if nobody said anything. One that cannot help is not asked twice. */
  #candidates(): readonly Upstream[] {
    const untried = this.upstreams.filter((one) => !this.#tried.has(one));
    if (untried.length > 0) return untried;
    return this.#useless.reply === undefined ? [...this.#silent] : [];
  }

  #ask(upstream: Upstream, timeoutMs: number): void {
    this.#tried.add(upstream);
    this.#silent.delete(upstream);
    upstream.ask(this.asked, timeoutMs, (reply, reason) => {
      this.#running -= 1;
      if (reply !== undefined && isUseful(reply)) this.#settle({ reply, server: upstream.name });
      else if (reply !== undefined) this.#useless = { reply, server: upstream.name };
      else if (reason === 'timeout') this.#silent.add(upstream);
      if (this.#running === 0 && !this.#settled) this.next();
    });
  }

  #settle(settled: Settled): void {
    if (this.#settled) return;
    this.#settled = true;
    this.done(settled);
  }
}

function patience({ score: { meanMs } }: Upstream): number {
  return meanMs === undefined ? patienceMs : Math.min(patienceMs, Math.max(leastPatienceMs, slack * meanMs));
}
