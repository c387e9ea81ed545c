import { familyOf, formatPrefix, type Prefix, prefixContains } from './address.js';
import type { Policy } from './policy.js';

/** What the longest prefix that covers a source says of it. */
export interface SourceRule {
  readonly prefix: Prefix;
  readonly allowed: boolean;
}

/** The lists of a policy in a form in which the longest prefix decides, and whether whom none covers may connect. */
export interface SourceRules {
  readonly rules: readonly SourceRule[];
  readonly others: boolean;
}

/**
 * Pure. A denied source stays denied inside and outside of allowed prefixes, so what is allowed within a denied prefix
 * goes without saying and is left out.
 */
export function sourceRules({ allow, deny = [] }: Pick<Policy, 'allow' | 'deny'>): SourceRules {
  const allowed = (allow ?? []).filter((prefix) => !deny.some((other) => covers(other, prefix)));
  const rules = new Map<string, SourceRule>();
  for (const prefix of allowed) rules.set(formatPrefix(prefix), { prefix, allowed: true });
  for (const prefix of deny) rules.set(formatPrefix(prefix), { prefix, allowed: false });
  return { rules: [...rules.values()], others: allow === undefined };
}

/** May this address connect? */
export function admits({ rules, others }: SourceRules, address: string): boolean {
  const covering = rules.filter(({ prefix }) => prefixContains(prefix, address));
  const longest = covering.reduce<SourceRule | undefined>((best, rule) => {
    return best === undefined || rule.prefix.bits > best.prefix.bits ? rule : best;
  }, undefined);
  return longest?.allowed ?? others;
}

function covers(outer: Prefix, inner: Prefix): boolean {
  if (familyOf(outer.address) !== familyOf(inner.address)) return false;
  return outer.bits <= inner.bits && prefixContains(outer, inner.address);
}
