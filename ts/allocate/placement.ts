import type { AddressRange } from './range.js';

export interface PlacementInputs {
  readonly range: AddressRange;
  /** By name. */
  readonly preferred: ReadonlyMap<string, bigint>;
  /** Addresses that others have. */
  readonly taken: ReadonlySet<bigint>;
}

interface Claim {
  readonly name: string;
  readonly preferred: bigint;
  /** How many addresses it has been refused before this one. */
  steps: bigint;
}

/**
 * An address for every name, as long as there are any; names that are missing in the result found none. A function of
 * the set alone: a name asks for its preferred address, then for the next one up, after the last for the first; an
 * address goes to the name that has come the fewest steps to it, of two such names to the one that sorts first. (The
 * stable matching of Gale and Shapley, which does not depend on who asks first.)
 *
 * So a name whose preferred address no other name prefers has it, whoever comes or goes. Only those that share one
 * preferred address, and had to step aside, depend on others.
 */
export function placeNames({ range, preferred, taken }: PlacementInputs): ReadonlyMap<string, bigint> {
  const size = range.last - range.first + 1n;
  const holders = new Map<bigint, Claim>();
  for (const [name, address] of preferred) {
    let seeking: Claim | undefined = { name, preferred: address, steps: 0n };
    while (seeking && seeking.steps < size) {
      const wanted: bigint = range.first + ((seeking.preferred - range.first + seeking.steps) % size);
      const holder = holders.get(wanted);
      if (taken.has(wanted) || (holder && before(holder, seeking))) seeking.steps += 1n;
      else {
        holders.set(wanted, seeking);
        seeking = holder;
        if (seeking) seeking.steps += 1n;
      }
    }
  }
  return new Map(Array.from(holders, ([address, { name }]) => [name, address]));
}

function before(a: Claim, b: Claim): boolean {
  return a.steps === b.steps ? a.name < b.name : a.steps < b.steps;
}
