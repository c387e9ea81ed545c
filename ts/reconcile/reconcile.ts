import type { DataPlane, Outcome, Step } from '../dataplane/dataplane.js';
import type { Forwarding } from '../model/forwarding.js';
import type { ReconcileStatus, VipStatus } from '../model/status.js';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { Belief, rememberingSame } from './belief.js';
import type { DesiredVip } from './desired.js';
import { diff, type Target } from './diff.js';

export interface ReconcilerOptions {
  /** Milliseconds between two passes when nothing changes; drift is repaired within this time. */
  readonly intervalMs: number;
  /** First and longest pause after a pass in which something failed, milliseconds; default 100 ms to 30 s. */
  readonly retryMs?: readonly [number, number];
}

/** What should be so now. */
export interface Wanted extends Target {
  readonly rows: readonly DesiredVip[];
}

export interface ReconcilerModules {
  readonly plane: DataPlane;
  readonly desired: () => Wanted;
  readonly logger?: Logger;
}

/** Long enough for the rest of a burst to arrive, short enough that nobody notices. */
const COALESCE_MS = 5;

/** What comes so long after the last pass, milliseconds, is no rest of a burst: it waits for nothing. */
const QUIET_MS = 50;

/** In a stream of changes the loop rests so much longer than a pass takes: what comes meanwhile costs no pass of its own. */
const REST = 3;

/** Between two lines of the log about what was programmed. */
const TELL_MS = 1_000;

/** As many faults as the status as a whole shows. */
const MAX_FAULTS = 100;

/** The one loop between what is wanted and what the kernel holds: read, compare, carry out, and again. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #modules: ReconcilerModules;
  readonly #listeners = new Set<() => void>();
  readonly #same = rememberingSame();
  #belief: Belief | undefined;
  #wanted: Wanted | undefined;
  #rows: readonly VipStatus[] | undefined;
  /** What a row came to; one that stays the same stays the same object. */
  readonly #shown = new WeakMap<DesiredVip, VipStatus>();
  #status: ReconcileStatus = { converged: false, passes: 0, drift: 0, faults: [] };
  #failures = 0;
  #lastFull = Number.NEGATIVE_INFINITY;
  #lastEnd = Number.NEGATIVE_INFINITY;
  /** Milliseconds the last pass took. */
  #took = 0;
  /** When the log was last told, and the steps since. */
  #told = Number.NEGATIVE_INFINITY;
  #untold = 0;
  #busy = false;
  /** There was a trigger since the last pass began. */
  #asked = false;
  #timer: { readonly due: number; readonly handle: NodeJS.Timeout } | undefined;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #active = false;

  constructor(options: ReconcilerOptions, modules: ReconcilerModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Begins with a pass at once. */
  start(): void {
    this.#active = true;
    this.#schedule(0);
  }

  /** Something may have changed: there is a pass soon, one for all triggers of the next few milliseconds. */
  trigger(): void {
    this.#asked = true;
    if (this.#busy) return; // the end of the pass under way sees to it
    const since = performance.now() - this.#lastEnd;
    const rest = Math.min(QUIET_MS, REST * this.#took) - since;
    this.#schedule(since < QUIET_MS ? Math.max(COALESCE_MS, rest) : 0);
  }

  /** One whole pass that begins after this call. Never rejects: what went wrong is in the status. */
  pass(): Promise<void> {
    this.#queued ??= this.#next();
    return this.#queued;
  }

  /** Resolves when the pass under way, if any, is over; there is none after it. */
  async stop(): Promise<void> {
    this.#active = false;
    this.#unschedule();
    await (this.#queued ?? this.#running);
  }

  status(): ReconcileStatus {
    return this.#status;
  }

  /** Every wanted VIP, and whether the kernel has it, as of the last pass. */
  vips(): readonly VipStatus[] {
    this.#rows ??= this.#wanted?.rows.map((row) => this.#row(row)) ?? [];
    return this.#rows;
  }

  /** Calls the listener after every pass until the returned function is called. */
  onPass(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #next(): Promise<void> {
    await this.#running;
    this.#queued = undefined;
    this.#unschedule(); // whatever was due is covered by the pass that begins now
    this.#running = this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    const begun = performance.now();
    [this.#busy, this.#asked] = [true, false];
    try {
      const wanted = this.#modules.desired();
      this.#wanted = wanted;
      this.#conclude(await this.#converge(wanted), wanted);
    } catch (error) {
      this.#conclude([faultOf(error, 'reconcile')], undefined);
    }
    this.#failures = this.#status.faults.length > 0 ? this.#failures + 1 : 0;
    const untilFull = Math.max(0, this.#lastFull + this.#options.intervalMs - performance.now());
    this.#schedule(this.#failures > 0 ? this.#retryDelay() : untilFull);
    for (const listener of this.#listeners) listener();
    this.#lastEnd = performance.now();
    this.#took = this.#lastEnd - begun;
    this.#busy = false;
    if (this.#asked) this.trigger();
  }

  /** Resolves to what failed. */
  async #converge(wanted: Wanted): Promise<readonly Fault[]> {
    const { plane, logger } = this.#modules;
    const depth = this.#needsFullRead() ? 'full' : 'recent';
    const actual = await plane.read(depth);
    if (depth === 'full') this.#lastFull = performance.now();
    const drifted = this.#belief?.drift(actual, this.#same) ?? [];
    if (drifted.length > 0)
      logger?.warn({ drifted: drifted.slice(0, 10), count: drifted.length }, 'kernel state drifted');
    this.#status = { ...this.#status, drift: this.#status.drift + drifted.length };
    const steps = diff(actual, wanted.forwarding, { ...wanted, same: this.#same });
    const outcomes = steps.length > 0 ? await applied(plane, steps) : [];
    this.#belief = new Belief(actual, steps, outcomes);
    const faults = [...new Set(outcomes)].filter((outcome) => outcome !== undefined);
    if (faults.length > 0)
      logger?.warn({ fault: faults[0], failed: faults.length, steps: steps.length }, 'steps failed');
    else this.#tell(steps.length);
    return faults;
  }

  /** Passes that follow each other are told together: in a stream of changes writing of each would be much of its cost. */
  #tell(steps: number): void {
    this.#untold += steps;
    const now = performance.now();
    if (this.#untold === 0 || now - this.#told < TELL_MS) return;
    this.#modules.logger?.info({ steps: this.#untold }, 'kernel programmed');
    [this.#told, this.#untold] = [now, 0];
  }

  /** The kernel is read back whole once an interval and after a failure; in between, a change touches only itself. */
  #needsFullRead(): boolean {
    return this.#failures > 0 || performance.now() - this.#lastFull >= this.#options.intervalMs;
  }

  #conclude(faults: readonly Fault[], wanted: Wanted | undefined): void {
    this.#rows = undefined;
    const shown = faults.slice(0, MAX_FAULTS); // each VIP has its own beside it
    // Until the sources are ready there may be something to remove that is held back.
    const converged = wanted?.ready === true && faults.length === 0;
    this.#status = { ...this.#status, converged, passes: this.#status.passes + 1, lastPass: Date.now(), faults: shown };
  }

  #agrees(key: string, { vips }: Forwarding): boolean {
    const [believed, wanted] = [this.#belief?.vip(key), vips.get(key)];
    return believed !== undefined && wanted !== undefined && this.#same(believed, wanted);
  }

  #row(row: DesiredVip): VipStatus {
    const fault = this.#belief?.failure(row.key);
    if (fault) return { ...row, programmed: 'failed', fault };
    const programmed = this.#agrees(row.key, this.#wanted!.forwarding) ? 'yes' : 'no';
    const known = this.#shown.get(row);
    if (known?.programmed === programmed) return known;
    const shown = { ...row, programmed } as const;
    this.#shown.set(row, shown);
    return shown;
  }

  #retryDelay(): number {
    const [first, longest] = this.#options.retryMs ?? [100, 30_000];
    return Math.min(longest, first * 2 ** Math.min(this.#failures - 1, 30));
  }

  /** A pass that is due sooner stays due. */
  #schedule(ms: number): void {
    const due = performance.now() + ms;
    if (!this.#active || (this.#timer && this.#timer.due <= due)) return;
    this.#unschedule();
    this.#timer = { due, handle: setTimeout(() => void this.pass(), ms) };
  }

  #unschedule(): void {
    clearTimeout(this.#timer?.handle);
    this.#timer = undefined;
  }
}

/** Steps handed over at a time: in between the event loop turns. */
const SLICE = 500;

/** One outcome a step, also when the plane could not even begin. */
async function applied(plane: DataPlane, steps: readonly Step[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let at = 0; at < steps.length; at += SLICE) {
    outcomes.push(...(await appliedSlice(plane, steps.slice(at, at + SLICE))));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return outcomes;
}

async function appliedSlice(plane: DataPlane, steps: readonly Step[]): Promise<readonly Outcome[]> {
  try {
    return await plane.apply(steps);
  } catch (error) {
    const fault = faultOf(error, `data plane ${plane.name}`);
    return steps.map(() => fault);
  }
}
