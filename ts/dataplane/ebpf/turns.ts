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
  const weights = candidates.map(({ weight }) => weight);
  const cycle = spread(candidates, cycleCounts(weights, size));
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

/** Each of the `counts[i]` turns of candidate i in the middle of its part of the cycle; at the same place by key. */
function spread(candidates: readonly Candidate[], counts: readonly number[]): number[] {
  const order = candidates.map((_, i) => i).sort((a, b) => (candidates[a]!.key < candidates[b]!.key ? -1 : 1));
  const rank = new Uint16Array(order.length);
  for (const [position, i] of order.entries()) rank[i] = position;
  const turns = order.flatMap((i) => Array.from({ length: counts[i]! }, (_, k) => ({ i, at: (k + 0.5) / counts[i]! })));
  return turns.sort((a, b) => a.at - b.at || rank[a.i]! - rank[b.i]!).map(({ i }) => i);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
