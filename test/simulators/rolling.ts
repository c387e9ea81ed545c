/** One instance of an app, as far as its replacement goes. */
export interface Instance {
  /** Version of the configuration it was started with. */
  readonly config: string | undefined;
  /** Runs, is ready and passes its checks. */
  readonly good: boolean;
}

/** What of an app's definition says how its instances are replaced. */
export interface Plan {
  readonly instances: number;
  readonly config?: string | undefined;
  /** Shares of `instances` that must be good at any time, and that may run beyond; both 1 when absent. */
  readonly upgradeStrategy?: { readonly minimumHealthCapacity?: number; readonly maximumOverCapacity?: number };
}

/** How many to start now, and which to end, on the way to as many instances as wanted, all of the present configuration. */
export function nextSteps<T extends Instance>(plan: Plan, own: readonly T[]): { start: number; end: readonly T[] } {
  const { instances, config } = plan;
  const fresh = own.filter((one) => one.config === config);
  const stale = own.filter((one) => one.config !== config);
  if (stale.length === 0) return { start: Math.max(0, instances - own.length), end: own.slice(instances) };
  const { minimumHealthCapacity: least = 1, maximumOverCapacity: over = 1 } = plan.upgradeStrategy ?? {};
  const keep = Math.ceil(instances * least);
  // Where all must stay good and none may run beyond, one has to, or nothing could ever be replaced.
  const most = Math.max(Math.floor(instances * (1 + over)), keep < instances ? instances : instances + 1);
  const spare = Math.max(0, own.filter(({ good }) => good).length - keep);
  const [good, bad] = [stale.filter((one) => one.good), stale.filter((one) => !one.good)];
  return {
    start: Math.max(0, Math.min(instances - fresh.length, most - own.length)),
    end: [...bad, ...good.slice(0, spare), ...fresh.slice(instances)],
  };
}
