import type { Step } from '../dataplane/dataplane.js';
import { formatPrefix, type Prefix } from '../model/address.js';
import { compareBackends, type ForwardedVip, type Forwarding, sameVip } from '../model/forwarding.js';
import { backendKey, type VipKey, vipKey } from '../model/service.js';

export type SameVip = (actual: ForwardedVip, desired: ForwardedVip) => boolean;

/** What a data plane should hold, as far as the sources have said. */
export interface Target {
  readonly forwarding: Forwarding;
  /** While false nothing is taken away: no VIP, no backend, no pool. A source that is still silent may want them. */
  readonly ready: boolean;
  /** VIPs that stay in the kernel although nobody wants them: they may be a source's that is still silent. */
  readonly kept?: ReadonlySet<VipKey>;
}

export interface DiffOptions extends Omit<Target, 'forwarding'> {
  /** Whether two VIPs are equal; for a caller that remembers what it has compared. */
  readonly same?: SameVip;
}

/** The steps from what the kernel holds to what it should hold: pools, then additions and changes, removals last. Pure. */
export function diff(actual: Forwarding, desired: Forwarding, options: DiffOptions): Step[] {
  const { ready, kept, same = sameVip } = options;
  const steps: Step[] = [];
  const pools = ready ? desired.pools : unitePools(actual.pools, desired.pools);
  if (!samePools(actual.pools, pools)) steps.push({ kind: 'pools', pools });
  for (const [key, wanted] of desired.vips) {
    const held = actual.vips.get(key);
    if (held && same(held, wanted)) continue;
    const vip = ready || !held ? wanted : unite(held, wanted);
    if (!held || vip === wanted || !sameVip(held, vip)) steps.push({ kind: 'upsert', vip });
  }
  if (!ready) return steps;
  for (const key of actual.vips.keys()) {
    if (!desired.vips.has(key) && !kept?.has(key)) steps.push({ kind: 'remove', key });
  }
  return steps;
}

/** What is held once all steps are carried out. Pure. */
export function after(held: Forwarding, steps: readonly Step[]): Forwarding {
  const vips = new Map(held.vips);
  let { pools } = held;
  for (const step of steps) {
    if (step.kind === 'pools') pools = step.pools;
    else if (step.kind === 'remove') vips.delete(step.key);
    else vips.set(vipKey(step.vip.frontend), step.vip);
  }
  return { pools, vips };
}

/** As a set: the order of pools means nothing. */
export function samePools(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  const texts = new Set(a.map(formatPrefix));
  return texts.size === new Set(b.map(formatPrefix)).size && b.every((pool) => texts.has(formatPrefix(pool)));
}

function unitePools(actual: readonly Prefix[], desired: readonly Prefix[]): readonly Prefix[] {
  const wanted = new Set(desired.map(formatPrefix));
  return [...desired, ...actual.filter((pool) => !wanted.has(formatPrefix(pool)))];
}

/** The wanted VIP, with the backends that only the kernel has beside it. */
function unite(held: ForwardedVip, wanted: ForwardedVip): ForwardedVip {
  const keys = new Set(wanted.backends.map(backendKey));
  const extra = held.backends.filter((backend) => !keys.has(backendKey(backend)));
  if (extra.length === 0) return wanted;
  return { ...wanted, backends: [...wanted.backends, ...extra].sort(compareBackends) };
}
