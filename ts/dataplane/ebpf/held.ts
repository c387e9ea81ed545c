import type { Endpoint } from '../../model/address.js';
import type { ForwardedVip } from '../../model/forwarding.js';
import type { Policy } from '../../model/policy.js';
import type { BackendKey, Frontend, VipKey } from '../../model/service.js';
import type { TableSpan } from './records.js';
import type { Table } from './tables.js';

/** A backend of a VIP, as the kernel is to hold it. */
export interface HeldBackend extends Endpoint {
  readonly id: number;
  readonly key: BackendKey;
  readonly vip: HeldVip;
  readonly generation: number;
  weight: number;
  /** Whether the programs may choose it; becomes false when no table names it any more, that is later than `weight` 0. */
  active: boolean;
  /** Whether it is on this node; known of VIPs whose packets are carried whole. */
  local: boolean;
}

/** A VIP, as the kernel is to hold it. */
export interface HeldVip {
  readonly id: number;
  readonly key: VipKey;
  readonly frontend: Frontend;
  /** By `idHash`. */
  readonly hash: number;
  readonly backends: Map<BackendKey, HeldBackend>;
  policy: Policy;
  /** Whether the policy's lists admit none of the node's own addresses. */
  nodeDenied: boolean;
  /** Not tracked exactly, but beside a VIP that is or was and has a backend of it, or once so itself. */
  beside: boolean;
  /** Absent while no backend takes new connections. */
  table: Table | undefined;
  /** The table before the last change, for flows that lost their entry; `since` in milliseconds since the epoch. */
  previous: (TableSpan & { readonly since: number }) | undefined;
  /** The same in model terms; the same object while nothing changes. */
  forwarded: ForwardedVip;
}

/**
 * Backends that take new connections. A packet that another node sent here by MAC address must not be sent on, and does
 * not say for which backend it is: so with `direct` a node that has backends of the service gives them all it gets.
 */
export function selectable(vip: HeldVip): HeldBackend[] {
  const taking = [...vip.backends.values()].filter(({ weight }) => weight > 0);
  const local = vip.policy.forwarding === 'direct' ? taking.filter((backend) => backend.local) : [];
  return local.length > 0 ? local : taking;
}
