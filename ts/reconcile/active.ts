import type {
  DataPlane,
  Flow,
  HookStatus,
  Outcome,
  PlaneEvent,
  PlaneName,
  Step,
  Support,
  TableFill,
  VipCounters,
} from '../dataplane/dataplane.js';
import type { Prefix } from '../model/address.js';
import type { ConnectsByVip } from '../model/connects.js';
import type { Forwarding } from '../model/forwarding.js';
import type { VipKey } from '../model/service.js';
import type { Fault } from '../util/errors.js';
import type { Toggle } from './toggle.js';

const nothing: Forwarding = { pools: [], vips: new Map() };

/**
 * Whichever plane is active, for those to whom it is all the same. Steps also reach a plane that drains, so that what it
 * still carries follows the definitions. Without a plane every step fails and says why; nothing else does.
 */
export class ActivePlane implements DataPlane {
  readonly #listeners = new Set<(event: PlaneEvent) => void>();
  readonly #heard = new Map<DataPlane, () => void>();

  /** @param absence why there is no plane, as of now */
  constructor(
    readonly toggle: Toggle,
    readonly absence: () => Fault,
  ) {}

  get name(): PlaneName {
    return this.toggle.active?.name ?? 'none';
  }

  /** Events of a plane that was opened come here too. */
  hear(plane: DataPlane): void {
    this.#heard.get(plane)?.();
    const stop = plane.events((event) => {
      for (const listener of this.#listeners) listener(event);
    });
    this.#heard.set(plane, stop);
  }

  async probe(): Promise<Support> {
    return (await this.toggle.active?.probe()) ?? { ok: false, reason: this.absence().cause, hint: 'vipctl doctor' };
  }

  async open(): Promise<void> {
    await this.toggle.active?.open();
  }

  async read(depth?: 'full' | 'recent'): Promise<Forwarding> {
    return (await this.toggle.active?.read(depth)) ?? nothing;
  }

  async pools(): Promise<readonly Prefix[]> {
    return (await this.toggle.active?.pools()) ?? [];
  }

  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const { active, old } = this.toggle;
    if (active === undefined) return steps.map(() => this.absence());
    const outcomes = await active.apply(steps);
    await old?.apply(steps);
    return outcomes;
  }

  async engage(): Promise<void> {
    await this.toggle.engage();
  }

  async disengage(): Promise<void> {
    await this.toggle.active?.disengage();
  }

  async counters(): Promise<readonly VipCounters[]> {
    return (await this.toggle.active?.counters()) ?? [];
  }

  async connects(wanted?: ReadonlySet<VipKey>): Promise<ConnectsByVip> {
    return (await this.toggle.active?.connects(wanted)) ?? new Map();
  }

  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    return (await this.toggle.active?.verdicts()) ?? {};
  }

  async flows(limit: number, wanted?: (flow: Flow) => boolean): Promise<readonly Flow[]> {
    const flows = (await this.toggle.active?.flows(limit, wanted)) ?? [];
    const rest = limit - flows.length;
    const old = rest > 0 ? await this.toggle.old?.flows(rest, wanted) : undefined;
    return [...flows, ...(old ?? [])];
  }

  tables(): readonly TableFill[] {
    return this.toggle.active?.tables() ?? [];
  }

  hooks(): readonly HookStatus[] {
    return this.toggle.active?.hooks() ?? [];
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.toggle.active?.inspect(key);
  }

  events(listener: (event: PlaneEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async release(): Promise<void> {
    await this.toggle.release();
  }

  async remove(): Promise<void> {
    await this.toggle.remove();
  }
}
