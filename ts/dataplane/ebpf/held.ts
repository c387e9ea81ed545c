import type { Endpoint } from '../../model/address.js';
import type { ForwardedVip } from '../../model/forwarding.js';
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
}

/** A VIP, as the kernel is to hold it. */
export interface HeldVip {
  readonly id: number;
  readonly key: VipKey;
  readonly frontend: Frontend;
  /** By `idHash`. */
  readonly hash: number;
  readonly backends: Map<BackendKey, HeldBackend>;
  /** Absent while no backend takes new connections. */
  table: Table | undefined;
  /** The table before the last change, for flows that lost their entry; `since` in milliseconds since the epoch. */
  previous: (TableSpan & { readonly since: number }) | undefined;
  /** The same in model terms; the same object while nothing changes. */
  forwarded: ForwardedVip;
}

/** Backends that take new connections. */
export function selectable(vip: HeldVip): HeldBackend[] {
  return [...vip.backends.values()].filter(({ weight }) => weight > 0);
}
