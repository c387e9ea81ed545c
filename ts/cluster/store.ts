import type { Fault } from '../util/errors.js';
import type { NodeId } from './identity.js';
import type { SignedMessage } from './wire.js';

/** An entry of another node whose signature the store has checked. */
export interface Heard {
  readonly signed: SignedMessage;
  /** When its owner said it, by the steady clock of this machine. */
  readonly at: number;
}

/** A node this one talks to without anyone between. */
export interface Neighbour {
  readonly id: NodeId;
  /** Round trip of the last heartbeat, milliseconds; absent before the first. */
  readonly rttMs?: number;
  /** ADDRESS:PORT of its end of the connection. */
  readonly address?: string;
}

export interface StoreListener {
  /** Entries that are their owners' word: the store has checked every signature, and nobody checks it again. */
  heard(entries: readonly Heard[]): void;
  /** The whole list, whenever it changed; round trips alone make no change. */
  neighbours(list: readonly Neighbour[]): void;
  /** Something an operator should know; the store goes on. `undefined` takes it back. */
  fault(about: string, fault: Fault | undefined): void;
}

/** Counters since the store was opened. */
export interface StoreStats {
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
}

/**
 * How entries get to every node of the cluster, and from there to here. Contract, held by `test/contract/cluster.ts`: what
 * one node puts, all others hear, also those that join later; the later of two entries wins; a neighbour that is gone
 * leaves the list; after `close` nothing is heard.
 */
export interface ClusterStore {
  readonly name: string;
  /** All nodes meet at servers: whoever is there is a neighbour, and need not be told whose neighbour it is. */
  readonly central?: boolean;
  /** Resolves when it takes part; others may not have been met yet. @throws VipdError */
  open(listener: StoreListener): Promise<void>;
  /** Entries of this node, as many as changed. */
  put(entries: readonly SignedMessage[]): void;
  /** What was known before a restart: handed on to others like everything else. */
  restore(entries: readonly Heard[]): void;
  /** These keys of the cluster and nodes count from now on, where the store itself keeps others away. */
  use?(clusterKeys: readonly Uint8Array[], allow: readonly NodeId[] | undefined): void;
  neighbours(): readonly Neighbour[];
  stats(): Promise<StoreStats>;
  close(): Promise<void>;
}
