import type { Endpoint } from '../model/address.js';
import type { HealthCheck } from '../model/service.js';
import type { Finding, Runners } from './check.js';
import type { Clock } from './clock.js';
import type { BoundedQueue } from './queue.js';
import { firstJudgement, type Judgement, judge } from './verdict.js';

/** What all probes share. */
export interface ProbeModules {
  readonly clock: Clock;
  readonly runners: Runners;
  readonly queue: BoundedQueue;
}

/** Share of the interval by which one pause may differ from the next. */
const JITTER = 0.1;

/** Checks one backend again and again until it is stopped. A check never overlaps itself. */
export class Probe {
  readonly #backend: Endpoint;
  readonly #modules: ProbeModules;
  readonly #onJudgement: (before: Judgement, after: Judgement) => void;
  #check: HealthCheck;
  #judgement: Judgement;
  #running: AbortController | undefined;
  #cancelPause: () => void = nothing;
  #stopped = false;

  constructor(
    options: { backend: Endpoint; check: HealthCheck },
    modules: ProbeModules,
    onJudgement: (before: Judgement, after: Judgement) => void,
  ) {
    this.#backend = options.backend;
    this.#check = options.check;
    this.#modules = modules;
    this.#onJudgement = onJudgement;
    this.#judgement = firstJudgement(modules.clock.now());
    this.#modules.queue.add(this.#run);
  }

  get judgement(): Judgement {
    return this.#judgement;
  }

  /** Goes on with another check from the verdict so far, so that an edited interval takes nothing out of rotation. */
  recheck(check: HealthCheck): void {
    this.#check = check;
    this.#judgement = { ...this.#judgement, streak: 0 };
    this.#running?.abort();
    this.#cancelPause();
    if (!this.#running) this.#modules.queue.add(this.#run);
  }

  stop(): void {
    this.#stopped = true;
    this.#modules.queue.cancel(this.#run);
    this.#running?.abort();
    this.#cancelPause();
  }

  readonly #run = async (): Promise<void> => {
    const { clock } = this.#modules;
    const started = clock.now();
    const check = this.#check;
    const finding = await this.#once(check);
    if (this.#stopped) return;
    if (check !== this.#check) return this.#modules.queue.add(this.#run);
    const before = this.#judgement;
    this.#judgement = judge(before, finding, check, clock.now());
    const wished = check.intervalMs * (1 + JITTER * (2 * clock.random() - 1)) - (clock.now() - started);
    this.#cancelPause = clock.after(Math.max(0, wished), () => this.#modules.queue.add(this.#run));
    this.#onJudgement(before, this.#judgement);
  };

  /** One check, over at its timeout even when its runner is not. */
  async #once(check: HealthCheck): Promise<Finding> {
    const { clock, runners } = this.#modules;
    const controller = new AbortController();
    this.#running = controller;
    let cancelTimeout = nothing;
    const timeout = new Promise<Finding>((resolve) => {
      controller.signal.addEventListener('abort', () => resolve('aborted'), { once: true });
      cancelTimeout = clock.after(check.timeoutMs, () => {
        resolve(`no answer within ${check.timeoutMs} ms`);
        controller.abort();
      });
    });
    const run = async (): Promise<Finding> => runners[check.kind](check, this.#backend, controller.signal);
    const finding = await Promise.race([run().catch((error: unknown) => String(error)), timeout]);
    cancelTimeout();
    this.#running = undefined;
    return finding;
  }
}

function nothing(): void {}
