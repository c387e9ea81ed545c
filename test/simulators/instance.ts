import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../ts/quickstart/child.js';
import type { SimulatedApp } from './apps.js';
import { type CheckDefinition, type CheckResult, probe, resultOf } from './checks.js';
import type { Place } from './driver.js';
import type { Placement } from './placement.js';
import type { Instance } from './rolling.js';
import type { Json } from './world.js';

/** What an instance tells of itself. */
export interface Ears {
  /** A check has found something else than the last time, or it is ready now. */
  changed(instance: TaskInstance): void;
  /** A check has failed too often. */
  hopeless(instance: TaskInstance): void;
}

/** Checks without an interval of their own are made every minute, as by Marathon. */
const INTERVAL_SECONDS = 60;

/** A task that runs: a process of this machine, and what checks have found of it. */
export class TaskInstance implements Instance {
  ending = false;
  readonly app: string;
  readonly config: string | undefined;
  readonly version: string | undefined;
  /** Of each of the app's checks, where one has been made. */
  readonly results: (CheckResult | undefined)[] = [];
  ready: boolean;
  #over = false;
  readonly #checks: readonly CheckDefinition[];
  readonly #readiness: CheckDefinition | undefined;

  constructor(
    readonly id: string,
    app: SimulatedApp,
    readonly place: Place,
    readonly placement: Placement,
    readonly child: Child,
  ) {
    this.app = app.id;
    this.config = app.config;
    this.version = app.version;
    this.#checks = (app.healthChecks ?? []) as readonly CheckDefinition[];
    [this.#readiness] = (app.readinessChecks ?? []) as readonly CheckDefinition[];
    this.ready = this.#readiness === undefined;
  }

  /** Of the first port, for those who ask for it. */
  get port(): number {
    return Number(/:(\d+)\/\w+$/.exec(this.placement.sockets[0] ?? '')?.[1]);
  }

  get checked(): boolean {
    return this.#checks.length > 0;
  }

  /** undefined before all checks have found something. */
  get healthy(): boolean | undefined {
    const results = this.#checks.map((_, i) => this.results[i]);
    if (results.some((one) => one === undefined)) return undefined;
    return results.every((one) => one?.alive);
  }

  get good(): boolean {
    return this.ready && (!this.checked || this.healthy === true);
  }

  /** The checks that Mesos makes itself, and tells of. */
  get checkedByMesos(): boolean {
    return this.#checks.some(({ protocol = '' }) => protocol === 'COMMAND' || protocol.startsWith('MESOS_'));
  }

  get readiness(): Json {
    return { name: 'readinessCheck', taskId: this.id, ready: this.ready, lastResponse: null };
  }

  /** Makes its checks from now on. @param clock how many times as fast as in reality */
  watch(clock: number, ears: Ears): void {
    for (const i of this.#checks.keys()) void this.#check(i, clock, ears);
    if (this.#readiness) void this.#becomeReady(this.#readiness, clock, ears);
  }

  /** Results of the checks that Marathon makes live in its leader's memory. */
  forget(): void {
    this.results.length = 0;
  }

  stop(): void {
    this.#over = true;
  }

  async #check(i: number, clock: number, ears: Ears): Promise<void> {
    const check = this.#checks[i]!;
    const most = check.maxConsecutiveFailures ?? 3;
    while (!this.#over) {
      const failure = await probe(check, { sockets: this.placement.sockets, inside: this.place.inside });
      if (this.#over || this.ending) return;
      const before = this.results[i];
      const result = resultOf(before, failure, this.id);
      this.results[i] = result;
      if (before?.alive !== result.alive) ears.changed(this);
      if (most > 0 && result.consecutiveFailures >= most) ears.hopeless(this);
      await sleep((1_000 * (check.intervalSeconds ?? INTERVAL_SECONDS)) / clock, undefined, { ref: false });
    }
  }

  async #becomeReady(check: CheckDefinition, clock: number, ears: Ears): Promise<void> {
    while (!this.#over) {
      const failure = await probe(check, { sockets: this.placement.sockets, inside: this.place.inside });
      if (failure === undefined) break;
      await sleep((1_000 * (check.intervalSeconds ?? 30)) / clock, undefined, { ref: false });
    }
    this.ready = true;
    ears.changed(this);
  }
}
