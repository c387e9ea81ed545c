import type { Event } from '../api/routes/traffic.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import { SeveredSockets } from '../dataplane/metrics.js';
import { HealthMonitor } from '../health/health.js';
import { Outliers } from '../health/outliers.js';
import type { Forwarding } from '../model/forwarding.js';
import { NameBook, type Names } from '../model/names.js';
import type { Policy } from '../model/policy.js';
import { Reconciler } from '../reconcile/reconcile.js';
import { ApiSource } from '../sources/api.js';
import { FileSource } from '../sources/file.js';
import { Sources } from '../sources/sources.js';
import { faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { Clustering } from './clustering.js';
import { Cover } from './cover.js';
import { Definitions } from './definitions.js';
import { Intent } from './intent.js';
import { interception, interceptionName } from './interception.js';
import { Journal } from './journal.js';
import { LabelWatch } from './labelwatch.js';
import type { Machine } from './machine.js';
import { type DaemonOptions, namesIn } from './options.js';
import type { TaskSources } from './tasksources.js';

export interface ControlModules {
  readonly plane: DataPlane;
  readonly machine: Pick<Machine, 'cover' | 'localAddresses'>;
  readonly logger: Logger;
  /** What the kernel held when this process started. */
  readonly adopted: Forwarding;
  readonly tasks: TaskSources;
}

/** Events that `vipctl events` can still show. */
const journalCapacity = 1_000;

/** From definitions to the kernel: sources and checks, what follows from them, and the loop that carries it out. */
export class Control {
  readonly sources: Sources;
  readonly definitions: Definitions;
  readonly clustering: Clustering;
  readonly intent: Intent;
  readonly cover: Cover;
  readonly reconciler: Reconciler;
  readonly journal = new Journal({ capacity: journalCapacity });
  readonly severed = new SeveredSockets();
  readonly outliers: Outliers;
  readonly #health: HealthMonitor;
  readonly #tasks: TaskSources;
  readonly #labels = new LabelWatch();
  readonly #running = new AbortController();
  #begun = false;
  readonly #names = new NameBook();
  readonly #unsubscribe: readonly (() => void)[];

  constructor(options: DaemonOptions, { plane, machine, logger, adopted, tasks }: ControlModules) {
    const { pools, stateDir, services, sourceWait, reconcileInterval, healthConcurrency } = options;
    this.#tasks = tasks;
    const api = new ApiSource({ stateDir });
    const files = services.map((path) => new FileSource({ path }));
    const onEvent = (event: Event) => this.journal.add(event);
    // What is in files wins: it is what the node's owner wrote down.
    this.clustering = new Clustering(options, logger);
    const cluster = this.clustering.source;
    const intercepting = options['dns.enabled'] && options['dns.intercept'].length > 0;
    const own = intercepting ? [interception(options['dns.listen'], options['dns.intercept'])] : [];
    const sources = [...own, ...files, api, ...this.#tasks.sources, ...(cluster ? [cluster] : [])];
    this.sources = new Sources({ waitMs: sourceWait, names: namesIn(options) }, { sources, logger });
    this.definitions = new Definitions(api, options.apiCommandChecks === 'allow', () => this.#applied());
    this.#health = new HealthMonitor({
      concurrency: healthConcurrency,
      pendingReady: options.pendingChecks === 'ready',
    });
    this.outliers = new Outliers({
      connects: (vips) => plane.connects(vips),
      onFault: (error) => logger.warn({ fault: faultOf(error, 'connects') }, 'outliers not looked for'),
    });
    const { outliers } = this;
    const modules = { sources: this.sources, health: this.#health, outliers, api, machine, onEvent, plane };
    this.intent = new Intent({ pools, adopted, zone: options.zone }, modules);
    this.cover = new Cover(pools, { machine, logger });
    const desired = () => {
      const wanted = this.intent.wanted();
      const told = () => wanted.rows.filter(({ source }) => source !== interceptionName);
      if (wanted.ready) cluster?.publish(told(), (name) => this.#policyOf(name), plane.name);
      return wanted;
    };
    this.reconciler = new Reconciler({ intervalMs: reconcileInterval }, { plane, desired, logger });
    const trigger = () => this.reconciler.trigger();
    this.#unsubscribe = [
      plane.events(onEvent),
      plane.events((event) => this.severed.hear(event)),
      this.reconciler.onPass(() => this.cover.check()),
      this.sources.onChange(trigger),
      this.sources.onChange(() => this.#labels.news(this.sources.labels(), Date.now()).forEach(onEvent)),
      this.#health.onChange(trigger),
      outliers.onChange(trigger),
      api.onDrainChange(trigger),
    ];
  }

  /** Lets the sources speak; nothing reaches the kernel before {@link begin}. */
  listen(): void {
    this.sources.start(this.#running.signal);
  }

  /** Programs the kernel from now on; resolves once it holds what the sources said, or the signal has aborted. */
  async begin(signal: AbortSignal): Promise<void> {
    this.reconciler.start();
    this.#begun = true;
    await this.#sourcesReady(signal);
    if (!signal.aborted) await this.reconciler.pass();
  }

  #policyOf(name: string): Policy | undefined {
    return this.sources.table().services.get(name)?.definition.policy;
  }

  /** The names of VIPs as of the last pass of the loop; the same object until something changed. */
  names(): Names {
    return this.#names.of(this.reconciler.vips());
  }

  /** One pass, while this one programs the kernel at all. */
  async #applied(): Promise<void> {
    if (this.#begun && !this.#running.signal.aborted) await this.reconciler.pass();
  }

  /** Ends the sources, the checks and the loop; the kernel is left as it is. */
  async stop(): Promise<void> {
    this.#running.abort();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#tasks.close();
    await this.#health.stop();
    await this.outliers.stop();
    await this.reconciler.stop();
  }

  #sourcesReady(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.sources.ready() && !signal.aborted) return;
        unsubscribe();
        signal.removeEventListener('abort', look);
        resolve();
      };
      const unsubscribe = this.sources.onChange(look);
      signal.addEventListener('abort', look);
      look();
    });
  }
}
