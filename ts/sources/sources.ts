import { type AllocateOptions, Allocator, shippedNames } from '../allocate/allocate.js';
import type { LabelReport } from '../model/label.js';
import type { DeclaredService, ServiceDefinition } from '../model/service.js';
import type { SourceStatus } from '../model/status.js';
import { EMPTY_TABLE, type JointVip, mergeReports, type ServiceTable } from '../model/table.js';
import { NO_TASKS, type TaskTable } from '../model/task.js';
import { type Fault, faultOf, faultText } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { Wakeup } from '../util/wakeup.js';
import { type JoinableSet, join } from './join.js';
import type { Report, Source } from './source.js';
import { mergeTasks } from './tasks.js';

export interface SourcesOptions {
  /** After this many milliseconds the sources count as ready even if some have not reported. */
  readonly waitMs: number;
  /** First and longest pause before a source that failed is run again, milliseconds; default 1 s to 30 s. */
  readonly retryMs?: readonly [number, number];
  /** Where names get their addresses; default as DC/OS shipped it. */
  readonly names?: AllocateOptions;
}

export interface SourcesModules {
  /** Those of higher priority first. Names are unique. */
  readonly sources: readonly Source[];
  readonly logger?: Logger;
}

/** Between two lines of the log about a source whose reports are in order. */
const TELL_MS = 1_000;

/** The log tells so many of a report's faults; the status has all. */
const FAULTS_LOGGED = 5;

/** What one source said last, and how it fares. */
interface Standing {
  reported: boolean;
  services: readonly DeclaredService[];
  updated: number | undefined;
  faults: readonly Fault[];
  /** Why it is not running, while it waits to be run again. */
  failure: Fault | undefined;
  tasks: TaskTable | undefined;
  labels: LabelReport | undefined;
  note: string | undefined;
  /** When the log was last told of a report that was in order. */
  told: number;
}

/** Runs the sources and merges what they say. A source that fails keeps its last set and is run again. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #sources: readonly Source[];
  readonly #logger: Logger | undefined;
  readonly #standings: ReadonlyMap<string, Standing>;
  readonly #listeners = new Set<() => void>();
  readonly #allocator: Allocator;
  #merged: ServiceTable = EMPTY_TABLE;
  #table: ServiceTable = EMPTY_TABLE;
  #joint: readonly JointVip[] = [];
  #tasks: TaskTable | undefined = NO_TASKS;
  #stale = false;
  #waited = false;

  constructor(options: SourcesOptions, modules: SourcesModules) {
    this.#options = options;
    this.#sources = modules.sources;
    this.#logger = modules.logger;
    this.#allocator = new Allocator(options.names ?? shippedNames);
    this.#standings = new Map(this.#sources.map(({ name }) => [name, newStanding()]));
  }

  /** Runs every source until the signal aborts. */
  start(signal: AbortSignal): void {
    for (const source of this.#sources) void this.#supervise(source, signal);
    const timer = setTimeout(() => this.#endWait(), this.#options.waitMs);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  /** The same object until something changed. */
  table(): ServiceTable {
    if (this.#stale) {
      const joined = join(this.#declared());
      this.#joint = joined.joint;
      const { sets, faults } = this.#allocator.allocate(joined.sets);
      this.#merged = mergeReports(sets, this.#merged);
      this.#table =
        faults.length === 0 ? this.#merged : { ...this.#merged, faults: [...this.#merged.faults, ...faults] };
      this.#stale = false;
    }
    return this.#table;
  }

  /** What these would come to beside all that is said now; nothing is changed. */
  preview(source: string, services: readonly DeclaredService[]): readonly ServiceDefinition[] {
    const { sets } = join([...this.#declared(), { source, joins: true, services }]);
    const allocated = new Allocator(this.#options.names ?? shippedNames).allocate(sets);
    return allocated.sets.flatMap((set) => set.services);
  }

  /** VIPs that several sources define together. */
  joint(): readonly JointVip[] {
    this.table();
    return this.#joint;
  }

  /** What all sources know of tasks; the same object until something changed. */
  tasks(): TaskTable {
    this.#tasks ??= mergeTasks([...this.#standings.values()].flatMap(({ tasks }) => tasks ?? []));
    return this.#tasks;
  }

  /** What became of labels, by the source that read them. */
  labels(): ReadonlyMap<string, LabelReport> {
    return new Map([...this.#standings].flatMap(([name, { labels }]) => (labels ? [[name, labels] as const] : [])));
  }

  status(): readonly SourceStatus[] {
    return [...this.#standings].map(([name, { reported, services, updated, faults, failure, note }]) => ({
      name,
      ...(note === undefined ? {} : { note }),
      reported,
      services: services.length,
      ...(updated === undefined ? {} : { updated }),
      faults: failure ? [failure, ...faults] : faults,
    }));
  }

  /** Every source has reported a full set, or the wait has ended. */
  ready(): boolean {
    return this.#waited || this.reported();
  }

  /** Every source has reported a full set: what none of them knows does not exist. */
  reported(): boolean {
    return [...this.#standings.values()].every(({ reported }) => reported);
  }

  /** Calls the listener whenever the table, a status or readiness may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #supervise(source: Source, signal: AbortSignal): Promise<void> {
    const [first, longest] = this.#options.retryMs ?? [1000, 30_000];
    const standing = this.#standings.get(source.name)!;
    const pause = new Wakeup();
    let delay = first;
    while (!signal.aborted) {
      const before = standing.updated;
      const failure = await this.#runOnce(source, signal);
      if (signal.aborted) return;
      // One that had worked for a while starts over with short pauses.
      delay = standing.updated === before ? delay : first;
      this.#logger?.warn({ source: source.name, fault: failure, retryMs: delay }, 'source stopped');
      standing.failure = failure;
      this.#changed();
      await pause.sleep(delay, signal);
      delay = Math.min(delay * 2, longest);
    }
  }

  async #runOnce(source: Source, signal: AbortSignal): Promise<Fault> {
    try {
      await source.run((report) => {
        if (!signal.aborted) this.#accept(source.name, report);
      }, signal);
      return { code: 'SOURCE_ENDED', object: `source ${source.name}`, cause: 'it ended by itself' };
    } catch (error) {
      return faultOf(error, `source ${source.name}`);
    }
  }

  #accept(name: string, report: Report): void {
    const standing = this.#standings.get(name)!;
    const news = isNews(report, standing);
    standing.failure = undefined;
    standing.faults = report.faults;
    standing.note = report.note ?? standing.note;
    if (!report.keepLast) this.#enter(standing, report);
    if (!news) return;
    const fields = { source: name, services: standing.services.length, faults: report.faults.length };
    if (report.faults.length === 0) this.#tell(standing, fields);
    else
      this.#logger?.warn({ ...fields, first: report.faults.slice(0, FAULTS_LOGGED).map(faultText) }, 'source reported');
    this.#changed();
  }

  /** One that reports all the time is told once a second. */
  #tell(standing: Standing, fields: object): void {
    const now = performance.now();
    if (now - standing.told < TELL_MS) return;
    standing.told = now;
    this.#logger?.info(fields, 'source reported');
  }

  #declared(): readonly JoinableSet[] {
    return this.#sources.map(({ name, joins = false }) => {
      return { source: name, joins, services: this.#standings.get(name)!.services };
    });
  }

  #enter(standing: Standing, { services, tasks, labels }: Report): void {
    this.#stale ||= standing.services !== services || !standing.reported;
    if (standing.tasks !== tasks) this.#tasks = undefined;
    Object.assign(standing, { reported: true, updated: Date.now(), services, tasks, labels });
  }

  #endWait(): void {
    this.#waited = true;
    const missing = [...this.#standings].filter(([, { reported }]) => !reported).map(([name]) => name);
    if (missing.length === 0) return;
    this.#logger?.warn({ missing }, 'going on without sources that have not reported');
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function newStanding(): Standing {
  const nothing = { tasks: undefined, labels: undefined, note: undefined };
  return {
    reported: false,
    services: [],
    updated: undefined,
    faults: [],
    failure: undefined,
    told: Number.NEGATIVE_INFINITY,
    ...nothing,
  };
}

/** Whether it says anything beyond that the last set still stands. */
function isNews({ services, tasks, labels, faults, note, keepLast }: Report, standing: Standing): boolean {
  if (note !== undefined && note !== standing.note) return true;
  if (standing.failure !== undefined || JSON.stringify(faults) !== JSON.stringify(standing.faults)) return true;
  if (keepLast) return false;
  const same = services === standing.services && tasks === standing.tasks && labels === standing.labels;
  return !standing.reported || !same;
}
