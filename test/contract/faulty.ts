import type {
  DataPlane,
  Flow,
  HookStatus,
  Outcome,
  PlaneEvent,
  Step,
  Support,
  TableFill,
  VipCounters,
} from '../../ts/dataplane/dataplane.js';
import type { Prefix } from '../../ts/model/address.js';
import type { ConnectsByVip } from '../../ts/model/connects.js';
import type { Forwarding } from '../../ts/model/forwarding.js';
import { type VipKey, vipKey } from '../../ts/model/service.js';
import { type Fault, VipdError } from '../../ts/util/errors.js';

/** Wraps a data plane so that a share of its operations fails, the same ones for the same seed. */
export class FaultyDataPlane implements DataPlane {
  readonly name: DataPlane['name'];
  readonly #plane: DataPlane;
  readonly #share: number;
  #seed: number;
  #failures = 0;

  /** `share`: 0 never fails, 1 always does. */
  constructor(plane: DataPlane, options: { share: number; seed: number }) {
    this.name = plane.name;
    this.#plane = plane;
    this.#share = options.share;
    this.#seed = options.seed;
  }

  /** How many operations have failed so far. */
  get failures(): number {
    return this.#failures;
  }

  pools(): Promise<readonly Prefix[]> {
    return this.#plane.pools();
  }

  async read(): Promise<Forwarding> {
    this.#mayThrow('read');
    return this.#plane.read();
  }

  /** A step that fails may have been carried out all the same, as with a lost answer, and so may the call as a whole. */
  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    this.#mayThrow('apply');
    const fate = steps.map((step) => ({ step, fails: this.#strikes(), lostAnswer: this.#random() < 0.5 }));
    const carried = fate.filter(({ fails, lostAnswer }) => !fails || lostAnswer);
    const outcomes = await this.#plane.apply(carried.map(({ step }) => step));
    this.#mayThrow('apply');
    const real = new Map(carried.map(({ step }, i) => [step, outcomes[i]]));
    return fate.map(({ step, fails }) => (fails ? fault(stepName(step)) : real.get(step)));
  }

  async counters(): Promise<readonly VipCounters[]> {
    this.#mayThrow('counters');
    return this.#plane.counters();
  }

  async connects(wanted?: ReadonlySet<VipKey>): Promise<ConnectsByVip> {
    this.#mayThrow('connects');
    return this.#plane.connects(wanted);
  }

  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    this.#mayThrow('verdicts');
    return this.#plane.verdicts();
  }

  async flows(limit: number, wanted?: (flow: Flow) => boolean): Promise<readonly Flow[]> {
    this.#mayThrow('flows');
    return this.#plane.flows(limit, wanted);
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    this.#mayThrow('inspect');
    return this.#plane.inspect(key);
  }

  probe(): Promise<Support> {
    return this.#plane.probe();
  }

  open(): Promise<void> {
    return this.#plane.open();
  }

  async engage(): Promise<void> {
    this.#mayThrow('engage');
    return this.#plane.engage();
  }

  async disengage(): Promise<void> {
    this.#mayThrow('disengage');
    return this.#plane.disengage();
  }

  tables(): readonly TableFill[] {
    return this.#plane.tables();
  }

  hooks(): readonly HookStatus[] {
    return this.#plane.hooks();
  }

  events(listener: (event: PlaneEvent) => void): () => void {
    return this.#plane.events(listener);
  }

  release(): Promise<void> {
    return this.#plane.release();
  }

  remove(): Promise<void> {
    return this.#plane.remove();
  }

  #mayThrow(operation: string): void {
    if (this.#strikes()) throw new VipdError(fault(operation));
  }

  #strikes(): boolean {
    const strikes = this.#random() < this.#share;
    if (strikes) this.#failures++;
    return strikes;
  }

  /** mulberry32: 0 up to 1, the same row for the same seed. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }
}

function stepName(step: Step): string {
  if (step.kind === 'pools') return 'pools';
  return step.kind === 'remove' ? step.key : vipKey(step.vip.frontend);
}

function fault(object: string): Fault {
  return { code: 'FAULT_INJECTED', object, cause: 'this operation was chosen to fail' };
}
