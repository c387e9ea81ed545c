import type { Prefix } from './address.js';

/** How a backend is chosen for a new connection. */
export type Schedule = 'maglev' | 'random' | 'round-robin' | 'least-connections' | 'latency';

/**
 * How packets get to a backend: `nat` rewrites the destination, answers pass this node; `full-nat` rewrites the source
 * too; `tunnel` encapsulates (IPIP, IP6IP6) and the answer leaves the backend's node with the VIP as its source; `direct`
 * changes the MAC address only (DSR on one link).
 */
export type ForwardingMode = 'nat' | 'full-nat' | 'tunnel' | 'direct';

/** Backends preferred by where they are; the rest takes over when fewer than this share of the near ones is usable. */
export interface Locality {
  readonly prefer: 'node' | 'zone';
  /** Percent of near backends that must be usable, 0–100. */
  readonly spillover: number;
}

/** When a backend is left alone for a while because connects to it fail. */
export interface OutlierPolicy {
  /** So many failures in a row are enough. */
  readonly consecutive: number;
  /** Or such a share of the connects within the window, 1–100, of which there must be `minimumConnects`. */
  readonly failurePercent: number;
  readonly minimumConnects: number;
  readonly windowMs: number;
  /** The first time; each next one twice as long. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  /** Of the backends that would serve, at most such a share at a time, 0–100, and never all. */
  readonly maxEjectedPercent: number;
}

/** How a service's connections are given to backends and carried there. Absent fields mean the default. */
export interface Policy {
  /** Default `maglev`. */
  readonly schedule?: Schedule;
  /** A client address keeps its backend until it has been silent so long, milliseconds; absent: no affinity. */
  readonly affinityMs?: number;
  /** Default `nat`. */
  readonly forwarding?: ForwardingMode;
  /** Track by full tuple with counts for both directions instead of a fingerprint. Default false; full-nat always does. */
  readonly exact?: boolean;
  /** Lower the MSS of SYNs to this many bytes, 536–65495; absent: leave it. */
  readonly clampMss?: number;
  /** Only these sources may connect; absent: all. Canonical order. */
  readonly allow?: readonly Prefix[];
  /** These sources may not connect, even if allowed. Canonical order. */
  readonly deny?: readonly Prefix[];
  /** New connections a second from one source address, more are refused; absent: no limit. */
  readonly connectionRate?: number;
  readonly locality?: Locality;
  /** Absent: nothing is left alone for how connects to it fare. */
  readonly outlier?: OutlierPolicy;
}

export const defaultPolicy: Policy = {};

/** Structural equality; both come out of one reader, so equal meaning is equal form. */
export function samePolicy(a: Policy | undefined, b: Policy | undefined): boolean {
  return a === b || JSON.stringify(sorted(a ?? {})) === JSON.stringify(sorted(b ?? {}));
}

function sorted(policy: Policy): readonly (readonly [string, unknown])[] {
  return Object.entries(policy)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
