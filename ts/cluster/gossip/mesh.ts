import { type NodeId, nodeIdOf } from '../identity.js';
import { type Holding, nodeOf, type Replica } from '../replica.js';

/** Neighbours a node looks for, and those above which it lets go of some. */
export const degree = { wanted: 4, most: 8 } as const;

/** What is known of one place where a node may be. */
export interface Candidate {
  /** Of a node, or the text of a seed whose node is not known yet. */
  readonly name: string;
  readonly reach: readonly string[];
}

interface Attempt {
  failures: number;
  next: number;
}

export interface MeshView {
  readonly neighbours: ReadonlySet<NodeId>;
  /** Nodes a path leads to. */
  readonly reachable: ReadonlySet<NodeId>;
  /** Nodes that were ever heard of, and seeds. */
  readonly candidates: readonly Candidate[];
}

const FIRST_RETRY_MS = 500;
const SHORTEST_CAP_MS = 3_000;
const LONGEST_CAP_MS = 60_000;

/**
 * Whom to dial. Up to the wanted degree anyone will do, those first that no path leads to; beyond it one of those a
 * second is still tried, at growing intervals and for ever: that is how the halves of a cluster find each other again
 * without anybody's help.
 */
export class Mesh {
  readonly #attempts = new Map<string, Attempt>();

  constructor(private readonly random: () => number = Math.random) {}

  /** @param now milliseconds of any steady clock */
  next({ neighbours, reachable, candidates }: MeshView, now: number): readonly Candidate[] {
    const strangers = candidates.filter(({ name }) => !neighbours.has(name));
    const due = this.#shuffled(strangers.filter(({ name }) => (this.#attempts.get(name)?.next ?? 0) <= now));
    const lost = due.filter(({ name }) => !reachable.has(name));
    const others = due.filter(({ name }) => reachable.has(name));
    const wanted = Math.max(0, degree.wanted - neighbours.size);
    const chosen = [...lost.slice(0, Math.max(1, wanted)), ...others].slice(
      0,
      Math.max(wanted, Math.min(1, lost.length)),
    );
    const cap = Math.min(LONGEST_CAP_MS, Math.max(SHORTEST_CAP_MS, candidates.length * 500));
    for (const { name } of chosen) this.#begin(name, now, cap);
    return chosen;
  }

  succeeded(name: string): void {
    this.#attempts.delete(name);
  }

  /** Forgets how often each was tried in vain, as after a change of the network. */
  forgive(): void {
    this.#attempts.clear();
  }

  #begin(name: string, now: number, cap: number): void {
    const failures = (this.#attempts.get(name)?.failures ?? 0) + 1;
    const pause = Math.min(cap, FIRST_RETRY_MS * 2 ** Math.min(failures, 20));
    this.#attempts.set(name, { failures, next: now + pause * (0.75 + this.random() / 2) });
  }

  #shuffled(list: readonly Candidate[]): readonly Candidate[] {
    return list
      .map((one) => ({ one, key: this.random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ one }) => one);
  }
}

/** Whom each node says it talks to. */
export function saidNeighbours(replica: Replica): ReadonlyMap<NodeId, ReadonlySet<NodeId>> {
  const pairs = Array.from(replica.holdings(), (holding) => {
    return [holding.owner, new Set(nodeOf(holding)?.neighbours.map(nodeIdOf))] as const;
  });
  return new Map(pairs);
}

/**
 * Where to look for nodes: those known, and seeds that are none of those a path leads to. At the place of a node that is
 * gone another one may be: the same machine with a new key.
 */
export function candidates(
  known: readonly Holding[],
  seeds: readonly string[],
  reachable: ReadonlySet<NodeId>,
): readonly Candidate[] {
  const nodes = known.flatMap((holding) => {
    const node = nodeOf(holding);
    return node && !node.left ? [{ name: holding.owner, reach: node.reach }] : [];
  });
  const places = new Set(nodes.filter(({ name }) => reachable.has(name)).flatMap(({ reach }) => reach));
  return [...nodes, ...seeds.filter((seed) => !places.has(seed)).map((seed) => ({ name: seed, reach: [seed] }))];
}
