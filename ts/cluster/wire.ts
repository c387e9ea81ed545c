import { codecOf } from './schema.js';

/** What this version writes. Readers take any. */
export const schemaVersion = 1;

export const Health = { unchecked: 0, healthy: 1, unhealthy: 2, pending: 3 } as const;

export interface BackendMessage {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly health: number;
  readonly reason: string;
}

export interface VipMessage {
  readonly service: string;
  readonly label: string;
  readonly framework: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly backends: readonly BackendMessage[];
  readonly policy: string;
}

export interface NodeMessage {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly reach: readonly string[];
  readonly neighbours: readonly Uint8Array[];
  readonly leaseMs: number;
  readonly floorIncarnation: number;
  readonly floorVersion: number;
  readonly left: boolean;
  readonly software: string;
  readonly kernel: string;
  readonly plane: string;
  readonly clockMs: number;
  readonly startedMs: number;
  readonly zone: string;
}

export interface EntryMessage {
  readonly schema: number;
  readonly owner: Uint8Array;
  readonly incarnation: number;
  readonly version: number;
  readonly key: string;
  readonly gone: boolean;
  readonly node?: NodeMessage | null;
  readonly vip?: VipMessage | null;
}

export interface SignedMessage {
  readonly entry: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SyncMessage {
  readonly whole?: Uint8Array;
  readonly done?: boolean;
  readonly digests?: readonly { readonly owner: Uint8Array; readonly hash: Uint8Array; readonly ageS: number }[];
  readonly have?: readonly HoldingsMessage[];
  readonly entries?: readonly SignedMessage[];
  readonly want?: readonly { readonly owner: Uint8Array; readonly keys: readonly string[] }[];
}

export interface HoldingsMessage {
  readonly owner: Uint8Array;
  readonly ageS: number;
  readonly held: readonly { readonly key: string; readonly incarnation: number; readonly version: number }[];
}

export interface SnapshotMessage {
  readonly incarnation: number;
  readonly kept: readonly { readonly signed: SignedMessage; readonly heardMs: number }[];
}

export const entryCodec = codecOf<EntryMessage>('Entry');
export const batchCodec = codecOf<{ readonly entries: readonly SignedMessage[] }>('Batch');
export const syncCodec = codecOf<SyncMessage>('Sync');
export const snapshotCodec = codecOf<SnapshotMessage>('Snapshot');
