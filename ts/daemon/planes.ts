import type { ModePort } from '../api/ports.js';
import type { ModeStatus } from '../api/routes/mode.js';
import type { DataPlane, PlaneName, Support } from '../dataplane/dataplane.js';
import type { Mode } from '../model/mode.js';
import { ActivePlane } from '../reconcile/active.js';
import type { Target } from '../reconcile/diff.js';
import { Toggle } from '../reconcile/toggle.js';
import { type Fault, faultOf, VipdError } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { type Collector, counter, gauge, single } from '../util/metric.js';
import type { PlaneState } from './planestate.js';

export interface PlanesOptions {
  readonly mode: Mode;
  /** How long a plane that was exchanged may go on with the connections it has, milliseconds. */
  readonly drainMs: number;
  /** Between two looks at a draining plane, milliseconds. */
  readonly pollMs?: number;
}

export interface PlanesModules {
  /** In the order of preference. */
  readonly planes: readonly DataPlane[];
  readonly state: PlaneState;
  readonly logger: Logger;
}

const nothing: Target = { forwarding: { pools: [], vips: new Map() }, ready: false };

/** The data planes of this node: which there are, which one serves, and the exchange of one for the other. */
export class Planes implements ModePort {
  readonly active: ActivePlane;
  readonly #toggle: Toggle;
  #support: ReadonlyMap<PlaneName, Support> = new Map();
  #wanted: () => Target = () => nothing;
  #onChange = () => {};
  #fault: Fault | undefined;
  #changing: PlaneName | undefined;

  constructor(
    readonly options: PlanesOptions,
    readonly modules: PlanesModules,
  ) {
    const { planes, state, logger } = modules;
    this.#toggle = new Toggle(
      { pollMs: options.pollMs ?? 1_000 },
      {
        planes,
        store: state,
        wanted: () => this.#wanted(),
        onOpen: (plane) => this.active.hear(plane),
        onChange: () => this.#onChange(),
        logger,
      },
    );
    this.active = new ActivePlane(this.#toggle, () => this.#absence());
  }

  /** Opens the plane that serves already, else the one that is to; leaves the node without one where there is none. */
  async start(): Promise<void> {
    this.#support = await this.#toggle.support();
    await this.#open();
    this.#concludeChoice();
    if (this.#toggle.active !== undefined) return;
    this.modules.logger.warn({ fault: this.#absence() }, 'no data plane: everything else is served');
  }

  /**
   * Where it is known what a plane shall hold, and whom to tell that another plane serves. Then traffic is taken, and a
   * plane that serves only because it did before gives way to the one that is wanted.
   */
  async engage(wanted: () => Target, onChange: () => void): Promise<void> {
    this.#wanted = wanted;
    this.#onChange = onChange;
    await this.#toggle.engage();
    const preferred = this.#preferred();
    if (preferred === undefined || preferred === this.active.name) return;
    await this.#change(preferred, this.options.drainMs).catch(() => undefined); // the status says why
  }

  /** Resolves once the mode is in force. @throws VipdError TOGGLE_FAILED, NO_DATA_PLANE; then all is as before */
  async setMode(mode: Mode, drainMs: number = this.options.drainMs): Promise<ModeStatus> {
    this.#support = await this.#toggle.support();
    const target = this.#preferred(mode);
    if (target === undefined) throw new VipdError(this.#absence(mode));
    const { state } = this.modules;
    state.consider(mode);
    try {
      await this.#change(target, drainMs);
    } catch (error) {
      state.consider(undefined);
      throw error;
    }
    state.choose(mode);
    return this.mode();
  }

  mode(): ModeStatus {
    const { draining } = this.#toggle;
    const chosen = this.modules.state.mode;
    const fault = this.#fault ?? (this.#toggle.active === undefined ? this.#absence() : undefined);
    return {
      wanted: chosen ?? this.options.mode,
      from: chosen === undefined ? 'configuration' : 'operator',
      plane: this.active.name,
      ...(this.#changing === undefined ? {} : { changing: this.#changing }),
      ...(draining === undefined ? {} : { draining: { plane: draining.plane, until: draining.until } }),
      planes: [...this.#support].map(([name, support]) => {
        return support.ok
          ? { name, usable: true }
          : { name, usable: false, reason: support.reason, hint: support.hint };
      }),
      ...(fault === undefined ? {} : { fault }),
    };
  }

  /** Which plane serves, as a collector of metrics. */
  collector(): Collector {
    return async () => {
      const samples = this.modules.planes.map(({ name }) => {
        return { labels: { plane: name }, value: name === this.active.name ? 1 : 0 };
      });
      const draining = this.modules.planes.map(({ name }) => {
        return { labels: { plane: name }, value: name === this.#toggle.draining?.plane ? 1 : 0 };
      });
      return [
        gauge('vipd_plane_active', 'Whether a data plane takes new connections', samples),
        gauge('vipd_plane_draining', 'Whether a data plane only carries the connections it has', draining),
        counter('vipd_plane_changes_total', 'Exchanges of data planes completed', single(this.#toggle.toggles)),
      ];
    };
  }

  /** Where nothing serves yet, a plane whose programs the kernel refuses after all is as good as none. */
  async #open(): Promise<void> {
    const first = this.#preferred();
    try {
      await this.#toggle.start(first);
    } catch (error) {
      const fault = faultOf(error, `mode ${first}`);
      const refused = fault.code === 'PLANE_UNSUPPORTED' && this.#toggle.active === undefined;
      if (first === undefined || !refused) throw error;
      this.modules.logger.warn({ fault }, 'the kernel refuses a data plane');
      const support = { ok: false, reason: fault.cause, hint: fault.hint ?? 'see the log' } as const;
      this.#support = new Map([...this.#support, [first, support]]);
      await this.#open();
    }
  }

  /** Waits for an exchange that is under way. */
  async stop(): Promise<void> {
    await this.#toggle.stop();
  }

  /** An exchange that an earlier process had begun is finished or undone now, and so is the choice it was made for. */
  #concludeChoice(): void {
    const { state } = this.modules;
    if (state.choosing === undefined) return;
    if (this.#preferred(state.choosing) === this.active.name) state.choose(state.choosing);
    else state.consider(undefined);
  }

  async #change(name: PlaneName, drainMs: number): Promise<void> {
    this.#changing = name;
    try {
      await this.#toggle.to(name, drainMs);
      this.#fault = undefined;
    } catch (error) {
      this.#fault = faultOf(error, `mode ${name}`);
      this.modules.logger.warn({ fault: this.#fault }, 'the data plane stays as it was');
      throw error;
    } finally {
      this.#changing = undefined;
    }
  }

  /** The plane a mode means on this machine; one that is named is meant even where it is not to be had. */
  #preferred(mode: Mode = this.modules.state.mode ?? this.options.mode): PlaneName | undefined {
    const usable = this.modules.planes.filter(({ name }) => this.#support.get(name)?.ok === true);
    if (mode === 'auto') return usable[0]?.name;
    return usable.find(({ name }) => name === mode)?.name;
  }

  #absence(mode: Mode = this.modules.state.mode ?? this.options.mode): Fault {
    const meant = [...this.#support].filter(([name]) => mode === 'auto' || name === mode);
    const reasons = meant.flatMap(([name, support]) => (support.ok ? [] : [`${name}: ${support.reason}`]));
    const hints = meant.flatMap(([, support]) => (support.ok ? [] : [support.hint]));
    return {
      code: 'NO_DATA_PLANE',
      object: `mode ${mode}`,
      cause: reasons.join('; ') || 'there is no such data plane',
      ...(hints.length === 0 ? {} : { hint: hints.join('; or ') }),
    };
  }
}
