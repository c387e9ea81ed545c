import type { Prefix } from '../model/address.js';
import { type Entry, Ledger } from './ledger.js';
import { isWithin, type NameKey, nameKey } from './name.js';
import { ptr, type RecordData } from './record.js';
import { reverseName, reverseZones } from './reverse.js';
import { Zone } from './zone.js';

/** Names of addresses, in the pools and elsewhere. */
export class ReverseBook {
  /** In the pools what is not known does not exist; elsewhere others may know it. The longer apex comes first. */
  readonly zones: readonly Zone[];
  readonly #ledgers: readonly Ledger[];

  constructor(options: { readonly pools: readonly Prefix[]; readonly ttl: number }) {
    const { ttl } = options;
    const ours = options.pools.flatMap(reverseZones).map((apex) => {
      return new Zone({ apex, kind: 'authority', ttl, origin: 'addresses of VIPs' });
    });
    const others = ['in-addr.arpa', 'ip6.arpa'].map((apex) => {
      return new Zone({ apex: nameKey(apex), kind: 'overlay', ttl, origin: 'addresses this node knows' });
    });
    this.zones = [...ours.sort((a, b) => b.apex.length - a.apex.length), ...others];
    this.#ledgers = this.zones.map((zone) => new Ledger(zone));
  }

  /** All addresses and their names that this owner knows. */
  set(owner: string, known: readonly { readonly address: string; readonly name: NameKey }[]): void {
    const entries = known.map(({ address, name }) => ({ name: reverseName(address), data: ptr(name) }));
    const byLedger = new Map<Ledger, Entry[]>(this.#ledgers.map((ledger) => [ledger, []]));
    for (const entry of entries) byLedger.get(this.#ledgerOf(entry.name)!)?.push(entry);
    for (const [ledger, some] of byLedger) if (some.length > 0 || ledger.knows(owner)) ledger.set(owner, some);
  }

  /** See {@link Ledger.together}. */
  together(change: () => void): void {
    this.#ledgers.reduceRight((inner, ledger) => () => ledger.together(inner), change)();
  }

  ownersOf(name: NameKey, data: RecordData): readonly string[] {
    return this.#ledgerOf(name)?.ownersOf(name, data) ?? [];
  }

  #ledgerOf(name: NameKey): Ledger | undefined {
    return this.#ledgers.find(({ zone }) => isWithin(name, zone.apex));
  }
}
