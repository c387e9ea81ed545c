import type { ForwardedVip } from '../../model/forwarding.js';
import { breathing } from '../../util/clock.js';

/** Sets of addresses that the firewall has beside the pools. */
export const addressSets = ['vips', 'backends', 'fullNat'] as const;
export type AddressSet = (typeof addressSets)[number];
export type AddressesBySet<T> = Readonly<Record<AddressSet, T>>;

export interface AddressChange {
  readonly gone: readonly string[];
  readonly fresh: readonly string[];
}

/**
 * The addresses that VIPs need the firewall to know, each with how many need it: one VIP may go and another keep it. There
 * may be a hundred thousand, so what changes is remembered, and nothing else compared.
 */
export class Addresses {
  readonly #uses = bySet(() => new Map<string, number>());
  readonly #touched = bySet(() => new Set<string>());

  /** A VIP is another now; undefined where it is none. */
  replace(before: ForwardedVip | undefined, after: ForwardedVip | undefined): void {
    if (before !== undefined) this.#change(before, -1);
    if (after !== undefined) this.#change(after, 1);
  }

  /** These VIPs are all, and the firewall has these addresses, whatever was counted before. */
  async recount(vips: Iterable<ForwardedVip>, held: AddressesBySet<ReadonlySet<string>>): Promise<void> {
    const breathe = breathing();
    for (const name of addressSets) this.#uses[name].clear();
    for (const vip of vips) {
      for (const [name, address] of addressesOf(vip)) this.#use(name, address, 1);
      await breathe();
    }
    for (const name of addressSets) {
      const uses = this.#uses[name];
      for (const address of uses.keys()) {
        if (!held[name].has(address)) this.#touched[name].add(address);
        await breathe();
      }
      for (const address of held[name]) {
        if (!uses.has(address)) this.#touched[name].add(address);
        await breathe();
      }
    }
  }

  /** What would make of the firewall's addresses those that are needed, as far as it is not settled. */
  changes(held: AddressesBySet<ReadonlySet<string>>): AddressesBySet<AddressChange> {
    return bySet((name) => {
      const touched = [...this.#touched[name]];
      const needed = (address: string) => this.#uses[name].has(address);
      return {
        gone: touched.filter((address) => held[name].has(address) && !needed(address)),
        fresh: touched.filter((address) => !held[name].has(address) && needed(address)),
      };
    });
  }

  /** The firewall has what is needed. */
  settle(): void {
    for (const name of addressSets) this.#touched[name].clear();
  }

  /** Everything that is needed. */
  all(): AddressesBySet<Set<string>> {
    return bySet((name) => new Set(this.#uses[name].keys()));
  }

  #change(vip: ForwardedVip, by: number): void {
    for (const [name, address] of addressesOf(vip)) {
      this.#use(name, address, by);
      this.#touched[name].add(address);
    }
  }

  #use(name: AddressSet, address: string, by: number): void {
    const uses = (this.#uses[name].get(address) ?? 0) + by;
    if (uses > 0) this.#uses[name].set(address, uses);
    else this.#uses[name].delete(address);
  }
}

function* addressesOf({ frontend, backends, policy }: ForwardedVip): Generator<readonly [AddressSet, string]> {
  yield ['vips', frontend.address];
  if (policy?.forwarding === 'full-nat') yield ['fullNat', frontend.address];
  for (const { address } of backends) yield ['backends', address];
}

function bySet<T>(make: (name: AddressSet) => T): AddressesBySet<T> {
  return { vips: make('vips'), backends: make('backends'), fullNat: make('fullNat') };
}
