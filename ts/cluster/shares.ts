import { MAX_BACKENDS_PER_VIP } from '../model/service.js';

/** What the tables of this node's kernel have room for. */
export interface Room {
  readonly vips: number;
  readonly backends: number;
  /** Of backends with these weights behind one VIP, in backends: some take more room than others. */
  readonly costOf?: (weights: readonly number[]) => number;
}

/** What a node's own services leave of it to others. */
export function roomBeside(
  { vips, backends, ...rest }: Room,
  own: ReadonlyMap<string, { readonly backends: readonly unknown[] }>,
): Room {
  const mine = [...own.values()].reduce((sum, vip) => sum + vip.backends.length, 0);
  return { vips: Math.max(0, vips - own.size), backends: Math.max(0, backends - mine), ...rest };
}

/** Something a node wants in the tables: a VIP, and what its backends cost. */
export interface Wish {
  readonly key: string;
  readonly backends: number;
}

/**
 * The most that one may have so that all together fit: nobody is cut who asks for less than that (max-min fairness).
 * Infinity where all fit as they are.
 */
export function fairLevel(asked: readonly number[], room: number): number {
  let left = Math.max(0, room);
  const ascending = asked.toSorted((a, b) => a - b);
  for (const [i, one] of ascending.entries()) {
    const level = left / (ascending.length - i);
    if (one > level) return level;
    left -= one;
  }
  return Number.POSITIVE_INFINITY;
}

/** A part stays free, for what is replaced is removed only after the new one is there. */
const FREE_PART = 1 / 16;

/**
 * Which wishes of which node there is no room for. None as long as all fit; else those of the nodes that ask for most, each
 * down to the share that all have, and of those what is wanted by other nodes last. The same on every node that sees the same.
 */
export function withoutRoom<Node>(
  wishes: ReadonlyMap<Node, readonly Wish[]>,
  room: Room,
): ReadonlyMap<Node, ReadonlySet<string>> {
  const askers = new Map<string, number>();
  let backends = 0;
  for (const list of wishes.values()) {
    for (const wish of list) {
      askers.set(wish.key, (askers.get(wish.key) ?? 0) + 1);
      backends += wish.backends;
    }
  }
  if (askers.size <= room.vips && backends <= room.backends) return NONE;
  // A VIP that several nodes ask for takes one place.
  const part = ({ key }: Wish) => 1 / askers.get(key)!;
  const most = {
    vips: levelOf(wishes, part, askers.size, room.vips),
    backends: levelOf(wishes, (wish) => wish.backends, backends, room.backends),
  };
  const cut = new Map<Node, ReadonlySet<string>>();
  for (const [node, list] of wishes) {
    const dropped = beyond(list, most, part);
    if (dropped.size > 0) cut.set(node, dropped);
  }
  return cut;
}

const NONE = new Map<never, never>();

function levelOf<Node>(
  wishes: ReadonlyMap<Node, readonly Wish[]>,
  cost: (wish: Wish) => number,
  total: number,
  room: number,
): number {
  if (total <= room) return Number.POSITIVE_INFINITY;
  const asked = Array.from(wishes.values(), (list) => list.reduce((sum, wish) => sum + cost(wish), 0));
  return fairLevel(asked, room * (1 - FREE_PART));
}

function beyond(wishes: readonly Wish[], most: Room, part: (wish: Wish) => number): ReadonlySet<string> {
  const dropped = new Set<string>();
  let [vips, backends] = [0, 0];
  for (const wish of wishes.toSorted((a, b) => part(a) - part(b) || (a.key < b.key ? -1 : 1))) {
    const [nextVips, nextBackends] = [vips + part(wish), backends + wish.backends];
    if (nextVips > most.vips + ROUNDING || nextBackends > most.backends) dropped.add(wish.key);
    else [vips, backends] = [nextVips, nextBackends];
  }
  return dropped;
}

/** Of sums of fractions. */
const ROUNDING = 1e-6;

/** How many backends each of those that have one VIP together may add to it. */
export function shareOfVip(counts: readonly number[]): number {
  return Math.floor(fairLevel(counts, MAX_BACKENDS_PER_VIP));
}
