import type { Fault } from '../../util/errors.js';
import type { Heard, Neighbour, StoreStats } from '../store.js';
import type { SignedMessage } from '../wire.js';

/** From the daemon to the gossip thread. */
export type Order =
  | { readonly kind: 'put'; readonly entries: readonly SignedMessage[] }
  | { readonly kind: 'restore'; readonly entries: readonly Heard[] }
  | { readonly kind: 'use'; readonly clusterKeys: readonly Uint8Array[]; readonly allow?: readonly string[] }
  | { readonly kind: 'stats' }
  | { readonly kind: 'close' };

/** From the gossip thread to the daemon. */
export type Word =
  | { readonly kind: 'open' }
  | { readonly kind: 'failed'; readonly fault: Fault }
  | { readonly kind: 'heard'; readonly entries: readonly Heard[] }
  | { readonly kind: 'neighbours'; readonly list: readonly Neighbour[]; readonly changed: boolean }
  | { readonly kind: 'fault'; readonly about: string; readonly fault: Fault | undefined }
  | { readonly kind: 'stats'; readonly stats: StoreStats };
