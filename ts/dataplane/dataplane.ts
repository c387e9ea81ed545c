import type { Prefix } from '../model/address.js';
import type { ForwardedVip, Forwarding } from '../model/forwarding.js';
import type { BackendKey, VipKey } from '../model/service.js';
import type { Fault } from '../util/errors.js';

/** Whether this machine can run a data plane. */
export type Support = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly hint: string };

/** One idempotent change. Inside a step the plane makes before it breaks; removal runs in the reverse order. */
export type Step =
  | { readonly kind: 'pools'; readonly pools: readonly Prefix[] }
  | { readonly kind: 'upsert'; readonly vip: ForwardedVip }
  | { readonly kind: 'remove'; readonly key: VipKey };

/** `undefined` for a step that was carried out, else why it was not; steps do not depend on each other. */
export type Outcome = Fault | undefined;

/** Monotonic since the VIP or backend was first programmed; they may restart from 0 when one is removed and added again. */
export interface Counters {
  readonly connections: bigint;
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface VipCounters extends Counters {
  readonly key: VipKey;
  /** Connections refused because no backend was usable. */
  readonly refused: bigint;
  readonly backends: ReadonlyMap<BackendKey, Counters>;
}

/**
 * What carries packets. Everything is in model terms: no ids, no map names. All methods reject with a VipdError.
 * Order of calls: probe, open, then read/apply/counters at will, engage and disengage any number of times, and last
 * release (forwarding goes on without this process) or remove (the kernel is as it was found).
 */
export interface DataPlane {
  readonly name: 'ebpf' | 'ipvs' | 'memory';
  probe(): Promise<Support>;
  /** Takes resources, or adopts what an earlier process left pinned. Changes no traffic. */
  open(): Promise<void>;
  /** What the kernel holds now; read back, never remembered. The same object may be returned while nothing changed. */
  read(): Promise<Forwarding>;
  /** Carries out the steps, in an order that never leaves a VIP without backends it should have; one outcome a step. */
  apply(steps: readonly Step[]): Promise<readonly Outcome[]>;
  /** New connections come here. Idempotent. */
  engage(): Promise<void>;
  /** New connections go elsewhere; established ones stay. */
  disengage(): Promise<void>;
  counters(): Promise<readonly VipCounters[]>;
  /** Lets go of handles; forwarding goes on. */
  release(): Promise<void>;
  /** Leaves the kernel as it was before the first open. */
  remove(): Promise<void>;
}
