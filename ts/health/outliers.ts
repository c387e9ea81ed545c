import type { Connects, ConnectsByVip } from '../model/connects.js';
import type { OutlierPolicy } from '../model/policy.js';
import { type BackendKey, type VipKey, vipKey } from '../model/service.js';
import type { ServiceTable } from '../model/table.js';
import type { Ejection, Ejections } from '../model/verdict.js';
import { type Clock, systemClock } from './clock.js';
import { firstOutlook, look, type Outlook } from './outlook.js';

export interface OutliersModules {
  /** How connects to the backends of these VIPs went so far. */
  readonly connects: (vips: ReadonlySet<VipKey>) => Promise<ConnectsByVip>;
  /** Why they cannot be read; once until they can be again. */
  readonly onFault?: (error: unknown) => void;
  readonly clock?: Clock;
}

interface Watched {
  policy: OutlierPolicy;
  /** undefined until the counters were read once: what they held before says nothing of now. */
  outlooks: ReadonlyMap<BackendKey, Outlook> | undefined;
  ejections: ReadonlyMap<BackendKey, Ejection>;
  /** Ejections so far. */
  count: number;
}

const INTERVAL_MS = 1_000;

/** Watches how connects go for the services that ask for it, and says which of their backends are to be left alone. */
export class Outliers implements Ejections {
  readonly #modules: OutliersModules;
  readonly #clock: Clock;
  readonly #watched = new Map<VipKey, Watched>();
  readonly #listeners = new Set<() => void>();
  #table: ServiceTable | undefined;
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failing = false;

  constructor(modules: OutliersModules) {
    this.#modules = modules;
    this.#clock = modules.clock ?? systemClock;
  }

  /** Watches what the table asks for and nothing else; where the policy alone is another, what is known stays. */
  sync(table: ServiceTable): void {
    if (table === this.#table || this.#stopped) return;
    this.#table = table;
    const wanted = new Map<VipKey, OutlierPolicy>();
    for (const { definition } of table.services.values()) {
      const policy = definition.policy?.outlier;
      if (policy !== undefined) wanted.set(vipKey(definition.frontend), policy);
    }
    for (const key of this.#watched.keys()) if (!wanted.has(key)) this.#watched.delete(key);
    for (const [key, policy] of wanted) {
      const known = this.#watched.get(key);
      if (known === undefined) this.#watched.set(key, { policy, outlooks: undefined, ejections: new Map(), count: 0 });
      else known.policy = policy;
    }
    if (this.#watched.size > 0) this.#cancel ??= this.#clock.after(0, this.#tick);
  }

  of(vip: VipKey): ReadonlyMap<BackendKey, Ejection> | undefined {
    const { ejections } = this.#watched.get(vip) ?? {};
    return ejections?.size ? ejections : undefined;
  }

  /** Ejections so far by VIP, since the daemon started. */
  counts(): ReadonlyMap<VipKey, number> {
    return new Map(Array.from(this.#watched, ([key, { count }]) => [key, count]));
  }

  /** Calls the listener whenever a backend is ejected or returns, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when nothing is looked at any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  readonly #tick = (): void => {
    this.#running = this.#look();
  };

  async #look(): Promise<void> {
    try {
      const connects = await this.#modules.connects(new Set(this.#watched.keys()));
      this.#failing = false;
      if (this.#stopped) return;
      const now = this.#clock.now();
      const changed = [...this.#watched].filter(([key, watched]) => update(watched, connects.get(key), now));
      if (changed.length > 0) for (const listener of this.#listeners) listener();
    } catch (error) {
      if (!this.#failing) this.#modules.onFault?.(error);
      this.#failing = true;
    }
    this.#cancel = undefined;
    if (this.#watched.size > 0 && !this.#stopped) this.#cancel = this.#clock.after(INTERVAL_MS, this.#tick);
  }
}

/** Whether other backends are ejected now than before. */
function update(watched: Watched, connects: ReadonlyMap<BackendKey, Connects> | undefined, now: number): boolean {
  const { outlooks: before, policy, ejections: last } = watched;
  const outlooks = new Map<BackendKey, Outlook>();
  for (const [key, one] of connects ?? []) {
    const known = before?.get(key) ?? firstOutlook(before === undefined ? one : NOTHING, now);
    outlooks.set(key, look(known, one, policy, now));
  }
  watched.outlooks = outlooks;
  const ejections = new Map<BackendKey, Ejection>();
  for (const [key, { ejection }] of outlooks) if (ejection !== undefined) ejections.set(key, ejection);
  const fresh = [...ejections].filter(([key, ejection]) => last.get(key)?.since !== ejection.since);
  if (fresh.length === 0 && ejections.size === last.size) return false;
  watched.ejections = ejections;
  watched.count += fresh.length;
  return true;
}

/** Counters of a backend that nobody has connected to yet. */
const NOTHING = { connected: 0n, refused: 0n, timedOut: 0n, unreachable: 0n, reset: 0n, abandoned: 0n };
