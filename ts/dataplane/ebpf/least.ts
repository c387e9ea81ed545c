/** A backend that takes new connections, and how many it has now. */
export interface Loaded {
  readonly id: number;
  readonly weight: number;
  readonly live: number;
}

/**
 * Pure: to whom the next connections go, one after the other, if each goes to whoever then has fewest for its weight.
 * @param start the slot that is taken next; the order begins there and goes round
 * @returns `size` ids; empty without candidates
 */
export function leastTable(candidates: readonly Loaded[], size: number, start: number): Uint32Array {
  const order = nextTurns(candidates, size);
  const table = new Uint32Array(order.length);
  for (const [i, id] of order.entries()) table[(start + i) % size] = id;
  return table;
}

function nextTurns(candidates: readonly Loaded[], size: number): number[] {
  if (candidates.length === 0) return [];
  const level = levelFor(candidates, size);
  const turns = candidates.flatMap(({ id, weight, live }) =>
    Array.from({ length: turnsBelow(level, weight, live) }, (_, k) => ({ id, load: (live + k + 1) / weight })),
  );
  return turns
    .sort((a, b) => a.load - b.load || a.id - b.id)
    .slice(0, size)
    .map(({ id }) => id);
}

/** The load, in connections for each unit of weight, up to which all can be filled with so many connections, or some more. */
function levelFor(candidates: readonly Loaded[], size: number): number {
  const room = (level: number) => candidates.reduce((sum, one) => sum + turnsBelow(level, one.weight, one.live), 0);
  let low = 0;
  let high = Math.max(...candidates.map(({ weight, live }) => (live + size) / weight));
  for (let i = 0; i < 64 && high - low > 1e-9 * high; i++) {
    const middle = (low + high) / 2;
    if (room(middle) >= size) high = middle;
    else low = middle;
  }
  return high;
}

function turnsBelow(level: number, weight: number, live: number): number {
  return Math.max(0, Math.floor(level * weight + 1e-9) - live);
}
