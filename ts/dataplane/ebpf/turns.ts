import { type Candidate, tableSize } from './maglev.js';

/** A cycle repeated so often leaves the last, cut one too short to matter. */
const CYCLES_MIN = 16;

/**
 * A table to be walked slot by slot: each candidate as often as its weight says, and as evenly spread as can be. A function
 * of the set alone. @returns for each slot an index into `candidates`; empty without candidates
 */
export function turnsTable(candidates: readonly Candidate[], size = tableSize(candidates)): Uint16Array {
  const table = new Uint16Array(size);
  if (candidates.length === 0) return table;
  // By key from the start: of equal remainders, too, the first key's gets the seat.
  const order = candidates.map((_, i) => i).sort((a, b) => (candidates[a]!.key < candidates[b]!.key ? -1 : 1));
  const weights = order.map((i) => candidates[i]!.weight);
  const cycle = spread(cycleCounts(weights, size)).map((rank) => order[rank]!);
  for (let slot = 0; slot < size; slot++) table[slot] = cycle[slot % cycle.length]!;
  return table;
}

/** How often each comes in a cycle: by its weight where that repeats within the table, else by shares of the table. */
function cycleCounts(weights: readonly number[], size: number): number[] {
  const divisor = weights.reduce(gcd, 0);
  const total = sum(weights);
  if ((total / divisor) * CYCLES_MIN <= size) return weights.map((weight) => weight / divisor);
  return apportion(weights, size);
}

/**
 * Seats by largest remainder (Hamilton's method): whole numbers that sum to `seats`, each less than one away from its
 * share. @param shares not negative, not all 0
 */
export function apportion(shares: readonly number[], seats: number): number[] {
  const total = sum(shares);
  const exact = shares.map((share) => (share * seats) / total);
  const counts = exact.map(Math.floor);
  const rest = seats - sum(counts);
  const byRemainder = exact.map((_, i) => i).sort((a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!));
  for (const i of byRemainder.slice(0, rest)) counts[i]!++;
  return counts;
}

/** Each of the `counts[i]` turns of i in the middle of its part of the cycle; at the same place in the order of i. */
function spread(counts: readonly number[]): number[] {
  const turns = counts.flatMap((count, i) => Array.from({ length: count }, (_, k) => ({ i, at: (k + 0.5) / count })));
  return turns.sort((a, b) => a.at - b.at || a.i - b.i).map(({ i }) => i);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
