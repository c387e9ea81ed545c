import type { ReplicaLimits } from '../replica.js';
import type { GuardLimits } from './guard.js';

/** What the thread that speaks to other nodes needs to know. Everything in it can be cloned. */
export interface GossipSetup {
  /** Private key of the node, 32 bytes. */
  readonly seed: Uint8Array;
  readonly clusterId: string;
  /** 32 bytes each; the first is used to dial, all are accepted. */
  readonly clusterKeys: readonly Uint8Array[];
  readonly listen: { readonly address: string; readonly port: number };
  /** HOST:PORT, where the cluster may be met. */
  readonly seeds: readonly string[];
  /** Ids of the nodes that may take part; absent: all that have the key. */
  readonly allow?: readonly string[];
  readonly timing: GossipTiming;
  /** What a peer may send; default {@link guardLimits}. */
  readonly limits?: GuardLimits;
  /** What is kept of what they say; default {@link replicaLimits}. */
  readonly room?: ReplicaLimits;
}

/** Milliseconds. */
export interface GossipTiming {
  /** Between two heartbeats to a neighbour. */
  readonly beatMs: number;
  /** A neighbour that is silent for longer is gone. */
  readonly deadlineMs: number;
  /** Between two comparisons with a random neighbour. */
  readonly compareMs: number;
  /** Between two looks at who should be dialled. */
  readonly meshMs: number;
  /** A node that says nothing for longer is forgotten. */
  readonly forgetMs: number;
}

export const gossipTiming: GossipTiming = {
  beatMs: 1000,
  deadlineMs: 3000,
  compareMs: 10_000,
  meshMs: 1000,
  forgetMs: 86_400_000,
};
