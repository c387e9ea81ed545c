import type { BpfMap } from '../../libbpf/map.js';
import { LbSize, Verdict } from './lb.gen.js';

/** Most VIPs, backends (summed over all VIPs) and tracked flows. */
export interface Limits {
  readonly vips: number;
  readonly backends: number;
  readonly flows: number;
  /** Flows that are tracked by all of their ends; 65,536 when absent. */
  readonly exactFlows?: number;
}

/** Maps that live on without the daemon; the others are scratch space of one object. */
export const SHARED = [
  'layout',
  'settings',
  'vip_sets',
  'vips',
  'backends',
  'reply_sets',
  'hops',
  'arrival_sets',
  'tables',
  'flows',
  'fragments',
  'exact_flows',
  'exact_answers',
  'exact_unproven',
  'exact_turns',
  'exact_use',
  'exact_fragments',
  'overflow_flows',
  'overflow_use',
  'vip_counters',
  'backend_counters',
  'backend_connects',
  'vip_turns',
  'affinities',
  'source_rates',
  'source_rules',
  'verdicts',
  'event_budgets',
  'sock_origins',
  'datagram_origins',
  'workloads',
  'opt_outs',
  'events',
] as const;
export type SharedMap = (typeof SHARED)[number];

export type Maps = Map<SharedMap, BpfMap>;
export type Sizes = Readonly<Partial<Record<SharedMap, number>>>;

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, atLeast)));
}

/** Entries of each map; id 0 means none, hence one more than the limit. Each VIP may need a second for its address. */
export function sizesOf(limits: Limits): Sizes {
  const { exactFlows = 65_536 } = limits;
  return {
    vips: limits.vips * 2 + 1,
    vip_counters: limits.vips * 2 + 1,
    vip_sets: powerOfTwo(limits.vips),
    backends: limits.backends + 1,
    backend_counters: limits.backends + 1,
    backend_connects: limits.backends + 1,
    vip_turns: limits.vips * 2 + 1,
    reply_sets: powerOfTwo(limits.backends / 2),
    hops: limits.backends + 1,
    arrival_sets: powerOfTwo(limits.backends / 8),
    verdicts: Verdict.VERDICTS,
    tables: powerOfTwo(limits.backends * 2),
    flows: powerOfTwo(limits.flows / LbSize.FLOW_SET_WAYS),
    exact_flows: exactFlows,
    exact_answers: exactFlows,
    exact_unproven: powerOfTwo(exactFlows / 4),
  };
}
