import type { Endpoint, Prefix } from './address.js';
import { type Policy, samePolicy } from './policy.js';
import type { Frontend, VipKey } from './service.js';

/** A backend as the data plane holds it. */
export interface ForwardedBackend extends Endpoint {
  /** 0–256; 0 takes no new connections and keeps the established ones. */
  readonly weight: number;
}

/** A VIP as the data plane holds it. Without backends it refuses every connection at once. */
export interface ForwardedVip {
  readonly frontend: Frontend;
  /** Sorted by {@link compareBackends}, no duplicates. */
  readonly backends: readonly ForwardedBackend[];
  readonly policy?: Policy;
}

/** All the data plane holds, in model terms. */
export interface Forwarding {
  /** Prefixes whose every address belongs to vipd: an unserved one is refused, never routed. */
  readonly pools: readonly Prefix[];
  readonly vips: ReadonlyMap<VipKey, ForwardedVip>;
}

/** Order by address text, then port: deterministic and the same on every node. */
export function compareBackends(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port;
}

export function sameVip(a: ForwardedVip, b: ForwardedVip): boolean {
  if (a === b) return true;
  if (a.backends.length !== b.backends.length || !samePolicy(a.policy, b.policy)) return false;
  return a.backends.every((one, i) => {
    const other = b.backends[i];
    return other !== undefined && compareBackends(one, other) === 0 && one.weight === other.weight;
  });
}
