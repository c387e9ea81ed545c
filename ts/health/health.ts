import { isDeepStrictEqual } from 'node:util';
import { type BackendKey, backendKey, type ServiceDefinition } from '../model/service.js';
import type { ServiceTable } from '../model/table.js';
import type { Verdict, Verdicts } from '../model/verdict.js';
import { type Runners, runners } from './check.js';
import { type Clock, systemClock } from './clock.js';
import { Probe, type ProbeModules } from './probe.js';
import { BoundedQueue } from './queue.js';
import type { Judgement } from './verdict.js';

interface Watched {
  definition: ServiceDefinition;
  readonly probes: Map<BackendKey, Probe>;
  /** Grows with every change of what {@link HealthMonitor.verdict} says of the service. */
  revision: number;
}

export interface HealthOptions {
  /** How many checks run at the same time at most. */
  readonly concurrency: number;
  /** Whether backends without a verdict yet count as healthy. */
  readonly pendingReady?: boolean;
}

/** Checks the backends of all services that ask for it, and says what it thinks of them. */
export class HealthMonitor implements Verdicts {
  readonly #modules: ProbeModules;
  readonly #pendingReady: boolean;
  readonly #services = new Map<string, Watched>();
  readonly #listeners = new Set<() => void>();
  #table: ServiceTable | undefined;
  #revisions = 0;

  constructor(options: HealthOptions, modules: { clock?: Clock; runners?: Runners } = {}) {
    this.#pendingReady = options.pendingReady ?? false;
    this.#modules = {
      clock: modules.clock ?? systemClock,
      runners: modules.runners ?? runners,
      queue: new BoundedQueue(options.concurrency),
    };
  }

  /** Checks what the table defines and nothing else. New backends are checked at once; unchanged ones keep their state. */
  sync(table: ServiceTable): void {
    if (table === this.#table) return;
    this.#table = table;
    let checked = 0;
    for (const { definition } of table.services.values()) {
      if (!definition.health) continue;
      checked++;
      if (this.#services.get(definition.name)?.definition !== definition) this.#watch(definition);
    }
    if (checked === this.#services.size) return;
    for (const [name, watched] of this.#services) {
      if (!table.services.get(name)?.definition.health) this.#forget(name, watched);
    }
  }

  /** undefined when no check is defined. */
  verdict(service: string, backend: BackendKey): Verdict | undefined {
    const judgement = this.#services.get(service)?.probes.get(backend)?.judgement;
    if (judgement?.state !== 'pending' || !this.#pendingReady) return judgement;
    return { state: 'healthy', reason: `${judgement.reason}; counts as ready until then`, since: judgement.since };
  }

  /** Another number whenever a verdict of the service, or its reason, has changed; 0 for a service without checks. */
  revision(service: string): number {
    return this.#services.get(service)?.revision ?? 0;
  }

  /** Calls the listener whenever the state of a backend changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#table = undefined;
    for (const [name, watched] of this.#services) this.#forget(name, watched);
  }

  #watch(definition: ServiceDefinition): void {
    const check = definition.health!;
    const watched = this.#services.get(definition.name) ?? { definition, probes: new Map(), revision: 0 };
    const changed = !isDeepStrictEqual(watched.definition.health, check);
    watched.definition = definition;
    watched.revision = ++this.#revisions;
    this.#services.set(definition.name, watched);
    // Those of other nodes are checked by them.
    const own = definition.backends.filter(({ origin }) => origin === undefined);
    const wanted = new Map(own.map((backend) => [backendKey(backend), backend]));
    for (const [key, probe] of watched.probes) {
      if (!wanted.has(key)) probe.stop();
      if (!wanted.has(key)) watched.probes.delete(key);
      else if (changed) probe.recheck(check);
    }
    for (const [key, backend] of wanted) {
      if (watched.probes.has(key)) continue;
      const judged = (before: Judgement, after: Judgement): void => this.#judged(watched, before, after);
      watched.probes.set(key, new Probe({ backend, check }, this.#modules, judged));
    }
  }

  #forget(name: string, { probes }: Watched): void {
    for (const probe of probes.values()) probe.stop();
    this.#services.delete(name);
  }

  #judged(watched: Watched, before: Judgement, after: Judgement): void {
    if (before.state === after.state && before.reason === after.reason) return;
    watched.revision = ++this.#revisions;
    if (before.state !== after.state) for (const listener of this.#listeners) listener();
  }
}
