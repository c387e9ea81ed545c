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
  return new NameBook().of(vips);
}

/** {@link namesOf}, one after the other: the entry of a name whose VIPs are the same objects stays the same object. */
export class NameBook {
  #vips: readonly VipStatus[] = [];
  /** Places of the VIPs of each name. */
  #places: ReadonlyMap<string, readonly number[]> = new Map();
  #names: Names = new Map();
  /** By the first VIP of a name. */
  readonly #made = new WeakMap<VipStatus, { readonly own: readonly VipStatus[]; readonly entry: NameEntry }>();

  of(vips: readonly VipStatus[]): Names {
    const changed = this.#changed(vips);
    this.#vips = vips;
    if (changed?.size === 0) return this.#names;
    if (changed === undefined) this.#places = placesOf(vips);
    const names = new Map(changed === undefined ? [] : this.#names);
    for (const name of changed ?? this.#places.keys()) names.set(name, this.#entry(vips, this.#places.get(name)!));
    this.#names = names;
    return names;
  }

  #entry(vips: readonly VipStatus[], places: readonly number[]): NameEntry {
    const own = places.map((i) => vips[i]!);
    const known = this.#made.get(own[0]!);
    if (known?.own.length === own.length && own.every((vip, i) => vip === known.own[i])) return known.entry;
    const entry = own.reduce<NameEntry>(withVip, { name: own[0]!.vipName!, addresses: {}, ports: [] });
    this.#made.set(own[0]!, { own, entry });
    return entry;
  }

  /** The names of those that are other objects than before; undefined when they are not the same VIPs. */
  #changed(vips: readonly VipStatus[]): ReadonlySet<string> | undefined {
    if (vips.length !== this.#vips.length) return undefined;
    const names = new Set<string>();
    for (const [i, vip] of vips.entries()) {
      const before = this.#vips[i]!;
      if (vip === before) continue;
      const text = vip.vipName && vipNameText(vip.vipName);
      if (text !== (before.vipName && vipNameText(before.vipName))) return undefined;
      if (text !== undefined) names.add(text);
    }
    return names;
  }
}

function placesOf(vips: readonly VipStatus[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const [i, { vipName }] of vips.entries()) {
    if (!vipName) continue;
    const text = vipNameText(vipName);
    const known = places.get(text);
    if (known) known.push(i);
    else places.set(text, [i]);
  }
  return places;
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
