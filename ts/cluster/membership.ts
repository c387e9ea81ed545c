import { reachable } from './graph.js';
import { type NodeId, nodeIdOf } from './identity.js';
import { type Holding, nodeOf } from './replica.js';
import type { NodeMessage } from './wire.js';

/**
 * `alive`: a path leads to it and it speaks. `unconfirmed`: known from before the restart of this node, not heard since.
 * `unreachable`: no path leads to it. `stale`: a path does, but it has not spoken for longer than it promised. `left`: its
 * operator took it out. `refused`: it is not on the list of nodes.
 */
export type MemberState = 'alive' | 'unconfirmed' | 'unreachable' | 'stale' | 'left' | 'refused';

export interface Member {
  readonly id: NodeId;
  readonly node: NodeMessage;
  readonly incarnation: number;
  readonly version: number;
  readonly state: MemberState;
  /** When the state was entered, milliseconds since the epoch. */
  readonly since: number;
  /** When it spoke last, milliseconds since the epoch as this machine's clock stood when it was heard. */
  readonly heard: number;
  /** The same by the steady clock. */
  readonly spoke: number;
  /** How far its clock is ahead of this machine's, as of then, milliseconds. */
  readonly clockSkewMs: number;
}

export interface Sight {
  readonly self: NodeId;
  readonly holdings: Iterable<Holding>;
  /** Nodes this one talks to. */
  readonly direct: ReadonlySet<NodeId>;
  /** Nodes heard since this one was started. */
  readonly confirmed: ReadonlySet<NodeId>;
  /** undefined: every node with the cluster's key may take part. */
  readonly allow: ReadonlySet<NodeId> | undefined;
  /** By the steady clock: what ages and leases are counted by. */
  readonly now: number;
  /** The same, milliseconds since the epoch: what people are told. */
  readonly wall: number;
}

/** A path that is gone for less is no reason to move anything: neighbours change, and their news cross each other. */
export const graceMs = 500;

/** The other nodes and how they are; in the order of their ids. Remembers since when. */
export class Membership {
  #members: ReadonlyMap<NodeId, Member> = new Map();
  /** Since when no path leads to a node that was alive, by the steady clock. */
  readonly #lost = new Map<NodeId, number>();

  members(): ReadonlyMap<NodeId, Member> {
    return this.#members;
  }

  /** Milliseconds until the next state can change by time alone. */
  update(sight: Sight): number {
    const holdings = [...sight.holdings].filter(({ owner }) => owner !== sight.self);
    const said = new Map(holdings.map((one) => [one.owner, new Set(nodeOf(one)?.neighbours.map(nodeIdOf))]));
    const found = reachable(sight.self, sight.direct, said);
    const members = holdings.flatMap((holding) => this.#member(holding, found, sight) ?? []);
    members.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#members = new Map(members.map((member) => [member.id, member]));
    for (const id of this.#lost.keys()) if (!this.#members.has(id)) this.#lost.delete(id);
    return this.#nextChange(sight.now);
  }

  #member(holding: Holding, found: ReadonlySet<NodeId>, sight: Sight): Member | undefined {
    const entry = holding.entries.get('');
    const node = nodeOf(holding);
    if (!entry || !node) return undefined;
    const { owner: id, heard: spoke } = holding;
    const before = this.#members.get(id);
    const { incarnation, version } = entry.message;
    const state = this.#state(holding, node, found.has(id), sight);
    const since = before?.state === state ? before.since : sight.wall;
    const fresh = before?.incarnation === incarnation && before.version === version;
    const heard = fresh ? before.heard : Math.round(sight.wall - (sight.now - spoke));
    const clockSkewMs = fresh ? before.clockSkewMs : node.clockMs - heard;
    if (fresh && before.state === state && before.spoke === spoke) return before;
    return { id, node, incarnation, version, state, since, heard, spoke, clockSkewMs };
  }

  #state(holding: Holding, node: NodeMessage, isFound: boolean, sight: Sight): MemberState {
    const { owner, heard } = holding;
    if (sight.allow && !sight.allow.has(owner)) return 'refused';
    if (node.left) return 'left';
    const silent = sight.now - heard > node.leaseMs;
    if (isFound) {
      this.#lost.delete(owner);
      return silent ? 'stale' : 'alive';
    }
    if (!sight.confirmed.has(owner)) return silent ? 'unreachable' : 'unconfirmed';
    const lost = this.#lost.get(owner) ?? sight.now;
    this.#lost.set(owner, lost);
    const wasAlive = this.#members.get(owner)?.state === 'alive';
    return wasAlive && sight.now - lost < graceMs ? 'alive' : 'unreachable';
  }

  #nextChange(now: number): number {
    let next = 60_000;
    for (const { id, spoke, node, state } of this.#members.values()) {
      const lost = this.#lost.get(id);
      if (state === 'alive' && lost !== undefined) next = Math.min(next, lost + graceMs - now);
      if (state === 'alive' || state === 'unconfirmed') next = Math.min(next, spoke + node.leaseMs - now);
    }
    return Math.max(10, next + 1);
  }
}

/** Whether what it says of its backends counts. */
export function counts({ state }: Member): boolean {
  return state === 'alive' || state === 'unconfirmed';
}
