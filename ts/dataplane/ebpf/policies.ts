import type { Policy, Schedule } from '../../model/policy.js';
import { sourceRules } from '../../model/source-rules.js';
import { Schedule as Code, type Vip, VipFlags } from './lb.gen.js';
import { carriageIn, modeNumber } from './ways.js';

/** The part of a VIP's record that follows from its policy. */
export type PolicyFields = Pick<Vip, 'schedule' | 'flags' | 'affinity' | 'rate' | 'forwarding' | 'exact' | 'clamp_mss'>;

const CODES: Readonly<Partial<Record<Schedule, number>>> = {
  maglev: Code.SCHEDULE_MAGLEV,
  random: Code.SCHEDULE_RANDOM,
  'round-robin': Code.SCHEDULE_ROUND_ROBIN,
  latency: Code.SCHEDULE_LATENCY,
  'least-connections': Code.SCHEDULE_LEAST_CONNECTIONS,
};

/** What of a policy this plane cannot do, as a service writes it; undefined: all of it can be done. */
export function unsupportedIn({ schedule, forwarding, exact }: Policy): string | undefined {
  if (schedule !== undefined && CODES[schedule] === undefined) return `schedule: ${schedule}`;
  const oneWay = forwarding === 'tunnel' || forwarding === 'direct';
  return exact === true && oneWay ? `exact with forwarding: ${forwarding}` : undefined;
}

/** Pure. @param nodeDenied whether the lists admit none of the node's own addresses */
export function policyFields(policy: Policy, hz: number, nodeDenied: boolean): PolicyFields {
  const { schedule = 'maglev', affinityMs, connectionRate = 0 } = policy;
  const { rules, others } = sourceRules(policy);
  const affine = affinityMs === undefined ? 0 : VipFlags.VIP_AFFINE;
  const listed = rules.length > 0 || !others ? VipFlags.VIP_LISTED : 0;
  const only = others ? 0 : VipFlags.VIP_LISTED_ONLY;
  const node = listed !== 0 && nodeDenied ? VipFlags.VIP_NODE_DENIED : 0;
  return {
    schedule: CODES[schedule] ?? Code.SCHEDULE_MAGLEV,
    flags: affine | listed | only | node,
    affinity: Math.ceil(((affinityMs ?? 0) * hz) / 1000),
    rate: connectionRate,
    forwarding: modeNumber(policy),
    exact: policy.exact === true ? 1 : 0,
    clamp_mss: policy.clampMss ?? 0,
  };
}

/**
 * Pure: what a record found in the kernel says of the policy it was made from. Its lists are elsewhere; a time that is no
 * whole number of ticks comes back longer, so whoever compares programs it once more, which changes nothing.
 */
export function policyOf(fields: PolicyFields, hz: number): Policy {
  const { schedule, flags, affinity, rate } = fields;
  const name = Object.entries(CODES).find(([, code]) => code === schedule)?.[0] as Schedule | undefined;
  return {
    ...(name !== undefined && name !== 'maglev' && { schedule: name }),
    ...((flags & VipFlags.VIP_AFFINE) !== 0 && { affinityMs: Math.round((affinity * 1000) / hz) }),
    ...(rate !== 0 && { connectionRate: rate }),
    ...carriageIn(fields),
  };
}
