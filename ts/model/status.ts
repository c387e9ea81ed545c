import type { Fault } from '../util/errors.js';
import type { VipName } from './name.js';
import type { Policy } from './policy.js';
import type { Frontend, VipKey } from './service.js';

/** Why a backend is or is not in rotation. */
export type BackendState = 'active' | 'draining' | 'down' | 'pending' | 'standby' | 'ejected';

export interface BackendStatus {
  readonly address: string;
  readonly port: number;
  /** As defined by the source. */
  readonly weight: number;
  /** Name of the node that defines and checks it; absent for those of this node. */
  readonly node?: string;
  readonly state: BackendState;
  /** One clause for people: `healthy`, `no health check`, `tcp: ECONNREFUSED, 2 of 2 failures`, `drained by operator`. */
  readonly reason: string;
  /** Milliseconds since the epoch at which `state` was entered. */
  readonly since: number;
}

export type Programmed = 'yes' | 'no' | 'failed';

export interface VipStatus {
  readonly key: VipKey;
  readonly name: string;
  readonly source: string;
  readonly frontend: Frontend;
  /** What the address follows from; absent where it was given. */
  readonly vipName?: VipName;
  readonly backends: readonly BackendStatus[];
  /** As the service says; absent when it says nothing. */
  readonly policy?: Policy;
  /** Does the kernel hold what is desired? Set from what was read back. */
  readonly programmed: Programmed;
  /** Why not, when `programmed` is `failed`. */
  readonly fault?: Fault;
}

export interface SourceStatus {
  readonly name: string;
  /** Whether the source has reported a full set since the daemon started. */
  readonly reported: boolean;
  /** Number of services in its last good set. */
  readonly services: number;
  /** When that set arrived, milliseconds since the epoch; absent before the first. */
  readonly updated?: number;
  /** How it fares, one clause for people. */
  readonly note?: string;
  /** What is wrong now; the last good set stays in force. */
  readonly faults: readonly Fault[];
}

export interface ReconcileStatus {
  readonly converged: boolean;
  /** Milliseconds since the epoch of the last completed pass; absent before the first. */
  readonly lastPass?: number;
  readonly passes: number;
  /** Differences found in the kernel that vipd had not made itself, since start. */
  readonly drift: number;
  readonly faults: readonly Fault[];
}
