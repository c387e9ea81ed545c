import { type Family, familyOf, type Protocol } from './address.js';
import { type VipName, vipNameText } from './name.js';
import type { VipKey } from './service.js';
import type { VipStatus } from './status.js';

/** One port of a name, in one family. */
export interface NamedPort {
  readonly port: number;
  readonly protocol: Protocol;
  readonly family: Family;
  /** Of the VIP. */
  readonly key: VipKey;
}

/** What is known of a name on this node. */
export interface NameEntry {
  readonly name: VipName;
  /** The IPv4 address, once a VIP on it forwards here: until then the name must not be answered with it. */
  readonly v4?: string;
  /** The IPv6 address, likewise. */
  readonly v6?: string;
  /** The addresses it has, forwarding or not. */
  readonly addresses: Readonly<Partial<Record<Family, string>>>;
  readonly ports: readonly NamedPort[];
}

/** By the name without its zone: `web.marathon`. */
export type Names = ReadonlyMap<string, NameEntry>;

/**
 * The names of all VIPs that have one. An address counts as forwarding as soon as the kernel holds one of its VIPs: the
 * ports of one name are programmed together, and one that fails must not hide the others.
 */
export function namesOf(vips: readonly VipStatus[]): Names {
  const names = new Map<string, NameEntry>();
  for (const vip of vips) {
    if (!vip.vipName) continue;
    const key = vipNameText(vip.vipName);
    names.set(key, withVip(names.get(key) ?? { name: vip.vipName, addresses: {}, ports: [] }, vip));
  }
  return names;
}

function withVip(entry: NameEntry, { key, frontend, programmed }: VipStatus): NameEntry {
  const { address, port, protocol } = frontend;
  const family = familyOf(address);
  const forwards = programmed === 'yes' ? (family === 4 ? { v4: address } : { v6: address }) : {};
  return {
    ...entry,
    ...forwards,
    addresses: { ...entry.addresses, [family]: address },
    ports: [...entry.ports, { port, protocol, family, key }],
  };
}
