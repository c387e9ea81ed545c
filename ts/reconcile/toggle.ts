import type { DataPlane, Flow, PlaneName, Support } from '../dataplane/dataplane.js';
import { type Fault, faultOf, VipdError } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import type { Target } from './diff.js';
import { programWhole } from './whole.js';

/** What a later start must know to finish or undo what an earlier one has begun. */
export interface ToggleRecord {
  /** Who takes new connections. */
  readonly active?: PlaneName;
  /** The plane that is to take them. Until it engages all can be undone; from then on it is finished. */
  readonly change?: { readonly to: PlaneName; readonly engaging: boolean; readonly drainMs: number };
  /** The plane before, which still carries connections. */
  readonly draining?: Draining;
}

export interface Draining {
  readonly plane: PlaneName;
  /** When it is removed at the latest, milliseconds since the epoch. */
  readonly until: number;
}

export interface ToggleStore {
  load(): ToggleRecord;
  /** On disk when it returns. */
  save(record: ToggleRecord): void;
}

export interface ToggleOptions {
  /** Between two looks whether a draining plane still carries connections, milliseconds. */
  readonly pollMs: number;
}

export interface ToggleModules {
  readonly planes: readonly DataPlane[];
  readonly store: ToggleStore;
  /** What a plane shall hold. */
  readonly wanted: () => Target;
  readonly onOpen?: (plane: DataPlane) => void;
  /** The active plane is another, or a drain has ended. */
  readonly onChange?: () => void;
  readonly logger?: Logger | undefined;
}

/** UDP has no end: a flow that has been silent so long, seconds, is over. */
const UDP_OVER = 60;
/** What is behind the first FIN may still have to come, or to come again, seconds. */
const CLOSING_OVER = 5;

/**
 * Exchanges the data plane under traffic: the new one is programmed and verified while the old one serves, then engaged;
 * the old one keeps the connections it has until they end or the drain time is over, then it is removed. A failure at any
 * step leaves the old one as it was. One change at a time.
 */
export class Toggle {
  #record: ToggleRecord;
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #toggles = 0;
  #stopped = false;
  /** Nothing is remembered: what other planes may hold is nobody's. */
  #fresh = false;

  constructor(
    readonly options: ToggleOptions,
    readonly modules: ToggleModules,
  ) {
    this.#record = modules.store.load();
  }

  /** The plane that takes new connections; undefined when there is none. */
  get active(): DataPlane | undefined {
    return this.#find(this.#record.active);
  }

  get draining(): Draining | undefined {
    return this.#record.draining;
  }

  /** Exchanges that were completed since the start. */
  get toggles(): number {
    return this.#toggles;
  }

  /** The plane that still carries connections of its own. */
  get old(): DataPlane | undefined {
    return this.#find(this.#record.draining?.plane);
  }

  /** Every plane, and whether this machine can run it. */
  async support(): Promise<ReadonlyMap<PlaneName, Support>> {
    const all = await Promise.all(this.modules.planes.map(async (plane) => [plane.name, await probed(plane)] as const));
    return new Map(all);
  }

  /**
   * Opens what an earlier process left, or the first plane on an empty node. What it had begun is finished or undone.
   * Changes no traffic otherwise. @throws VipdError when the plane cannot be opened
   */
  async start(first: PlaneName | undefined): Promise<void> {
    await this.#recover();
    await this.#forgetUnusable();
    await this.#resume();
    this.#fresh = this.active === undefined;
    if (this.#fresh) await this.#begin(first);
    const { old } = this;
    if (old !== undefined) await this.#open(old);
  }

  /** New connections go to the active plane from now on, and a drain that was under way goes on. */
  async engage(): Promise<void> {
    await this.active?.engage(this.old);
    await this.old?.disengage();
    if (this.#fresh && this.active !== undefined) await this.#removeOthers(this.active);
    this.#fresh = false;
    this.#schedule();
  }

  /**
   * Resolves when new connections are taken by that plane; the drain goes on behind it. One that is asked for while
   * another is under way waits for it.
   * @throws VipdError TOGGLE_FAILED; then all is as before
   */
  to(name: PlaneName, drainMs: number): Promise<void> {
    const mine = this.#last.then(() => this.#exchange(name, drainMs));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Removes the draining plane now, whatever it carries. */
  async endDrain(): Promise<void> {
    const { old } = this;
    if (old === undefined) return;
    await old.remove();
    const { draining: _, ...rest } = this.#record;
    this.#save(rest);
    await this.active?.engage();
    this.modules.logger?.info({ plane: old.name }, 'data plane drained and removed');
    this.modules.onChange?.();
  }

  /** Waits for an exchange that is under way; planes stay open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#last;
  }

  async release(): Promise<void> {
    for (const plane of this.modules.planes) await plane.release();
  }

  /** Every plane leaves the kernel, and nothing is left to remember. */
  async remove(): Promise<void> {
    for (const plane of this.modules.planes) await plane.remove();
    this.#save({});
  }

  async #exchange(name: PlaneName, drainMs: number): Promise<void> {
    const next = this.#find(name);
    if (next === undefined) throw failed(name, faultOf(new Error('vipd has no such plane'), name));
    if (this.#stopped || next === this.active) return;
    const before = this.#record;
    const resumed = before.draining?.plane === name;
    try {
      await this.#prepare(next, drainMs);
      this.#conclude(name, drainMs);
    } catch (error) {
      await this.#undo(next, before, resumed);
      throw failed(name, faultOf(error, `data plane ${name}`));
    }
    this.#toggles += 1;
    this.modules.logger?.info({ plane: name, before: before.active, drainMs }, 'data plane exchanged');
    this.modules.onChange?.();
    this.#schedule();
  }

  /** Everything that can fail, the old plane serving all the while. */
  async #prepare(next: DataPlane, drainMs: number): Promise<void> {
    const support = await probed(next);
    const object = `data plane ${next.name}`;
    if (!support.ok)
      throw new VipdError({ code: 'PLANE_UNSUPPORTED', object, cause: support.reason, hint: support.hint });
    const third = this.#record.draining !== undefined && this.#record.draining.plane !== next.name;
    if (third) await this.endDrain();
    const change = { to: next.name, drainMs };
    this.#save({ ...this.#record, change: { ...change, engaging: false } });
    await this.#open(next);
    await programWhole(next, this.modules.wanted, this.active);
    this.#save({ ...this.#record, change: { ...change, engaging: true } });
    await next.engage(this.active);
    await this.active?.disengage();
  }

  #conclude(name: PlaneName, drainMs: number): void {
    const { active } = this.#record;
    const draining = active === undefined ? {} : { draining: { plane: active, until: Date.now() + drainMs } };
    this.#save({ active: name, ...draining });
  }

  /** The old plane first: it must have everything back before anything else is tried. */
  async #undo(next: DataPlane, before: ToggleRecord, resumed: boolean): Promise<void> {
    const engaged = this.#record.change?.engaging === true;
    if (engaged)
      await this.#quietly('engage the old plane again', () => this.active?.engage(resumed ? next : undefined));
    if (resumed) await this.#quietly('go on draining', () => next.disengage());
    else if (this.#record.change !== undefined) await this.#quietly('remove the new plane', () => next.remove());
    const { change: _, ...rest } = this.#record;
    this.#save(resumed ? { ...rest, ...(before.draining ? { draining: before.draining } : {}) } : rest);
    this.#schedule();
  }

  async #removeOthers(active: DataPlane): Promise<void> {
    for (const other of this.modules.planes) {
      if (other !== active) await this.#quietly(`remove data plane ${other.name}`, () => other.remove());
    }
  }

  async #recover(): Promise<void> {
    const { change, active, draining } = this.#record;
    if (change === undefined) return;
    this.modules.logger?.warn({ change, active }, 'an exchange of data planes was cut short');
    if (change.engaging) {
      const until = Date.now() + change.drainMs;
      return this.#save({ active: change.to, ...(active === undefined ? {} : { draining: { plane: active, until } }) });
    }
    if (draining?.plane !== change.to) {
      await this.#quietly(`remove data plane ${change.to}`, () => this.#find(change.to)?.remove());
    }
    const { change: _, ...rest } = this.#record;
    this.#save(rest);
  }

  /** Under another kernel, or with fewer capabilities, what served before may not be to be had. */
  async #forgetUnusable(): Promise<void> {
    if (!(await this.#isUsable(this.active))) return this.#save({});
    if (await this.#isUsable(this.old)) return;
    const { draining: _, ...rest } = this.#record;
    this.#save(rest);
  }

  /** Opens what served before. Refused by the kernel it is forgotten where nothing of it is left, as after a boot into another. */
  async #resume(): Promise<void> {
    const { active } = this;
    if (active === undefined) return;
    try {
      await this.#open(active);
    } catch (error) {
      const fault = faultOf(error, active.name);
      if (fault.code !== 'PLANE_UNSUPPORTED' || (await active.pools()).length > 0) throw error;
      this.modules.logger?.warn({ plane: active.name, fault }, 'the kernel refuses the data plane that served before');
      this.#save({});
    }
  }

  async #begin(first: PlaneName | undefined): Promise<void> {
    const plane = this.#find(first);
    if (plane === undefined) return this.#save({});
    await this.#open(plane);
    this.#save({ active: plane.name });
  }

  async #isUsable(plane: DataPlane | undefined): Promise<boolean> {
    if (plane === undefined) return true;
    const support = await probed(plane);
    if (support.ok) return true;
    this.modules.logger?.warn({ plane: plane.name, reason: support.reason }, 'a data plane can be run no more');
    return false;
  }

  async #open(plane: DataPlane): Promise<void> {
    await plane.open();
    this.modules.onOpen?.(plane);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#record.draining === undefined) return;
    this.#timer = setTimeout(() => this.#look(), this.options.pollMs).unref();
  }

  /** In turn with exchanges: none may begin while the plane goes. */
  #look(): void {
    this.#last = this.#last.then(async () => {
      await this.#quietly('end the drain', async () => {
        if (!this.#stopped && (await this.#isDrained())) await this.endDrain();
      });
      this.#schedule();
    });
  }

  async #isDrained(): Promise<boolean> {
    const { old, draining } = this;
    if (old === undefined || draining === undefined) return false;
    if (Date.now() >= draining.until) return true;
    return (await old.flows(1, goesOn)).length === 0 && !(await old.isNeeded?.());
  }

  async #quietly(what: string, act: () => Promise<void> | undefined): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.modules.logger?.warn({ fault: faultOf(error, what) }, 'exchange of data planes: this did not go well');
    }
  }

  #find(name: PlaneName | undefined): DataPlane | undefined {
    return this.modules.planes.find((plane) => plane.name === name);
  }

  #save(record: ToggleRecord): void {
    this.modules.store.save(record);
    this.#record = record;
  }
}

function goesOn({ state, vip, idleSeconds }: Flow): boolean {
  if (state === 'closing') return idleSeconds < CLOSING_OVER;
  return !vip.startsWith('udp/') || idleSeconds < UDP_OVER;
}

async function probed(plane: DataPlane): Promise<Support> {
  try {
    return await plane.probe();
  } catch (error) {
    const { cause, hint = 'see the log' } = faultOf(error, plane.name);
    return { ok: false, reason: cause, hint };
  }
}

function failed(name: PlaneName, why: Fault): VipdError {
  const cause = `stays as it was, because ${why.object}: ${why.cause}`;
  return new VipdError({
    code: 'TOGGLE_FAILED',
    object: `mode ${name}`,
    cause,
    ...(why.hint ? { hint: why.hint } : {}),
  });
}
