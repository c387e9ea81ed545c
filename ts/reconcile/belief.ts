import type { Outcome, Step } from '../dataplane/dataplane.js';
import { type ForwardedVip, type Forwarding, sameVip } from '../model/forwarding.js';
import { type VipKey, vipKey } from '../model/service.js';
import type { Fault } from '../util/errors.js';
import { type SameVip, samePools } from './diff.js';

/**
 * What the kernel should hold by all we know: what was read last, and the steps that went well since. Never used to
 * decide what to do, only to tell drift from our own work and to say how a VIP fares between two reads.
 */
export class Belief {
  readonly #read: Forwarding;
  /** By key, what our steps made of it since the read; undefined is removed. */
  readonly #made = new Map<VipKey, ForwardedVip | undefined>();
  readonly #failed = new Map<VipKey, Fault>();
  #pools: Forwarding['pools'] | undefined;

  constructor(read: Forwarding, steps: readonly Step[], outcomes: readonly Outcome[]) {
    this.#read = read;
    this.#pools = read.pools;
    for (const [i, step] of steps.entries()) this.#record(step, outcomes[i]);
  }

  vip(key: VipKey): ForwardedVip | undefined {
    return this.#made.has(key) ? this.#made.get(key) : this.#read.vips.get(key);
  }

  /** Why the last step for the VIP did not go well. */
  failure(key: VipKey): Fault | undefined {
    return this.#failed.get(key);
  }

  /** Keys of VIPs that differ in the kernel now, and `pools`, though we did not touch them. */
  drift(now: Forwarding, same: SameVip): readonly string[] {
    const moved: string[] = this.#pools && !samePools(this.#pools, now.pools) ? ['pools'] : [];
    const check = (key: VipKey): void => {
      if (!this.#failed.has(key) && !this.#agrees(key, now, same)) moved.push(key);
    };
    for (const key of this.#made.keys()) check(key);
    if (now.vips === this.#read.vips) return moved;
    for (const key of now.vips.keys()) if (!this.#made.has(key)) check(key);
    for (const key of this.#read.vips.keys()) if (!this.#made.has(key) && !now.vips.has(key)) check(key);
    return moved;
  }

  #agrees(key: VipKey, now: Forwarding, same: SameVip): boolean {
    const [believed, there] = [this.vip(key), now.vips.get(key)];
    return believed && there ? same(there, believed) : believed === there;
  }

  #record(step: Step, outcome: Outcome): void {
    if (step.kind === 'pools') {
      // After a failure anything may be there, and none of it would be drift.
      this.#pools = outcome ? undefined : step.pools;
      return;
    }
    const key = step.kind === 'upsert' ? vipKey(step.vip.frontend) : step.key;
    if (outcome) this.#failed.set(key, outcome);
    else this.#made.set(key, step.kind === 'upsert' ? step.vip : undefined);
  }
}

/** {@link sameVip} that compares any two objects once: VIPs are immutable, and nearly all of them stay from pass to pass. */
export function rememberingSame(): SameVip {
  const proven = new WeakMap<ForwardedVip, ForwardedVip>();
  return (actual, desired) => {
    if (actual === desired || proven.get(desired) === actual) return true;
    const same = sameVip(actual, desired);
    if (same) proven.set(desired, actual);
    return same;
  };
}
