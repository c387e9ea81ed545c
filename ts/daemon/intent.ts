import type { Event } from '../api/routes/traffic.js';
import type { PlaneName } from '../dataplane/dataplane.js';
import type { HealthMonitor } from '../health/health.js';
import type { Outliers } from '../health/outliers.js';
import type { Prefix } from '../model/address.js';
import type { Forwarding } from '../model/forwarding.js';
import type { VipKey } from '../model/service.js';
import type { VipStatus } from '../model/status.js';
import { type Desired, desired } from '../reconcile/desired.js';
import type { Target } from '../reconcile/diff.js';
import type { Here } from '../reconcile/locality.js';
import type { Wanted } from '../reconcile/reconcile.js';
import type { ApiSource } from '../sources/api.js';
import type { Sources } from '../sources/sources.js';
import type { Fault } from '../util/errors.js';
import { admit, Pools } from './admission.js';
import type { Machine } from './machine.js';
import { transitions } from './transitions.js';

export interface IntentOptions {
  readonly pools: readonly Prefix[];
  /** Of this node, for services that prefer backends of its zone. */
  readonly zone?: string | undefined;
  /** What the kernel held when this process started. */
  readonly adopted: Forwarding;
}

export interface IntentModules {
  readonly sources: Sources;
  readonly health: HealthMonitor;
  readonly outliers: Outliers;
  readonly api: ApiSource;
  readonly machine: Pick<Machine, 'localAddresses'>;
  readonly onEvent: (event: Event) => void;
  readonly plane: { readonly name: PlaneName };
}

/** What this node wants now: sources, health, operators and the machine's own addresses brought together. */
export class Intent {
  #last: Desired | undefined;
  #here: Here | undefined;
  #refused: readonly VipStatus[] = [];
  readonly #pools: Pools;
  /** Of the VIPs that were there at the start those that no source has named yet. */
  readonly #unclaimed: Set<VipKey>;

  constructor(
    private readonly options: IntentOptions,
    private readonly modules: IntentModules,
  ) {
    this.#pools = new Pools(options.pools);
    this.#unclaimed = new Set(options.adopted.vips.keys());
  }

  /** Works it out anew; for the reconciler. */
  wanted(): Wanted {
    const { sources, health, outliers, api, machine, onEvent, plane } = this.modules;
    const { pools, adopted } = this.options;
    const now = Date.now();
    const local = machine.localAddresses();
    const around = { local, pools: this.#pools, now, plane: plane.name };
    const { table, refused } = admit(sources.table(), around, this.#refused);
    health.sync(table);
    outliers.sync(table);
    const next = desired(
      {
        table,
        verdicts: health,
        drained: api.drained(),
        adopted,
        pools,
        local: around.local,
        here: this.#where(local),
        ejections: outliers,
        now,
      },
      this.#last,
    );
    transitions(this.#last?.vips ?? [], next.vips, now).forEach(onEvent);
    this.#last = next;
    this.#refused = refused;
    return { ...this.target(), rows: next.vips };
  }

  /** A source that is silent may have been silent for hours: what may be its own is not taken for abandoned. */
  #kept({ vips }: Forwarding): ReadonlySet<VipKey> {
    if (this.modules.sources.reported()) this.#unclaimed.clear();
    for (const key of this.#unclaimed) if (vips.has(key)) this.#unclaimed.delete(key);
    return this.#unclaimed;
  }

  /** The same object while the addresses are the same. */
  #where(local: ReadonlyMap<string, string>): Here {
    const { addresses } = this.#here ?? {};
    const same = addresses?.size === local.size && [...local.keys()].every((address) => addresses.has(address));
    if (this.#here === undefined || !same) {
      this.#here = { zone: this.options.zone, addresses: new Set(local.keys()) };
    }
    return this.#here;
  }

  /** As of the last call of {@link wanted}. */
  forwarding(): Forwarding {
    return this.#last?.forwarding ?? { pools: this.options.pools, vips: new Map() };
  }

  /** What the kernel should hold, as of the last call of {@link wanted}. */
  target(): Target {
    const forwarding = this.forwarding();
    return { forwarding, ready: this.modules.sources.ready(), kept: this.#kept(forwarding) };
  }

  /** Services that are not served here. */
  refused(): readonly VipStatus[] {
    return this.#refused;
  }

  /** What is wrong with definitions in this company: conflicts between sources, and refusals. */
  faults(): readonly Fault[] {
    return [...this.modules.sources.table().faults, ...this.#refused.flatMap((row) => row.fault ?? [])];
  }
}
