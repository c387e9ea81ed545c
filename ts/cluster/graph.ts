import type { NodeId } from './identity.js';

/** Whom each node says it talks to. */
export type Neighbours = ReadonlyMap<NodeId, ReadonlySet<NodeId>>;

/**
 * The nodes a path leads to from `self`, `self` among them. An edge counts when both ends say so; those of `self` are
 * `direct`, which it sees for itself.
 */
export function reachable(self: NodeId, direct: ReadonlySet<NodeId>, said: Neighbours): ReadonlySet<NodeId> {
  const found = new Set<NodeId>([self, ...direct]);
  const queue = [...direct];
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at]!;
    for (const next of said.get(node) ?? []) {
      if (found.has(next) || !said.get(next)?.has(node)) continue;
      found.add(next);
      queue.push(next);
    }
  }
  return found;
}
