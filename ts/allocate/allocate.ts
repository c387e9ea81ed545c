import { type Family, familyOf } from '../model/address.js';
import { vipNameText } from '../model/name.js';
import {
  type DeclaredService,
  isNamed,
  type NamedFrontend,
  partName,
  type ServiceDefinition,
} from '../model/service.js';
import type { SourceSet } from '../model/table.js';
import type { Fault } from '../util/errors.js';
import { placeNames } from './placement.js';
import { preferredAddress } from './preferred.js';
import { type AddressRange, addressNumber, addressOf, formatRange, parseRange } from './range.js';

export interface AllocateOptions {
  /** undefined: no name has an IPv4 address. */
  readonly v4: AddressRange | undefined;
  readonly v6: AddressRange | undefined;
  /** IPv4 addresses as DC/OS up to 1.11 gave them. */
  readonly legacy: boolean;
}

/** As DC/OS shipped it. */
export const shippedNames: AllocateOptions = {
  v4: parseRange('11.0.0.0/8'),
  v6: parseRange('fd01:c::/64'),
  legacy: false,
};

/** What one source says, before names have addresses. */
export interface DeclaredSet {
  readonly source: string;
  readonly services: readonly DeclaredService[];
}

export interface Allocated {
  /** In the given order; every frontend has an address. */
  readonly sets: readonly SourceSet[];
  /** One for each name that found no address. */
  readonly faults: readonly Fault[];
}

type NamedService = DeclaredService & { readonly frontend: NamedFrontend };

/** What was made of a declaration, kept with it: whatever stays the same stays the same object. */
interface Made {
  /** That gave it these addresses. */
  places: Places;
  readonly numbers: readonly (bigint | undefined)[];
  readonly services: readonly ServiceDefinition[];
}

/** One address for all ports and protocols of a name, in each family its backends have. */
export class Allocator {
  readonly #options: AllocateOptions;
  readonly #made = new WeakMap<DeclaredService, Made>();
  #preferred: ReadonlyMap<string, bigint>[] = [new Map(), new Map()];
  #last: Placed | undefined;

  constructor(options: AllocateOptions) {
    this.#options = options;
  }

  allocate(sets: readonly DeclaredSet[]): Allocated {
    const all = sets.flatMap(({ services }) => services);
    const named = all.filter(hasName);
    if (named.length === 0) return { sets: sets.map(withAddresses), faults: [] };
    const { places, faults } = this.#placed(all, named);
    const resolved = sets.map(({ source, services }) => ({
      source,
      services: services.flatMap((service) =>
        hasName(service) ? this.#resolve(service, places) : withAddress(service),
      ),
    }));
    return { sets: resolved, faults };
  }

  /** As before while the same names and addresses are asked for: mostly it is backends that change. */
  #placed(all: readonly DeclaredService[], named: readonly NamedService[]): Placed {
    const last = this.#last;
    if (last?.all.length === all.length && all.every((service, i) => asksTheSame(service, last.all[i]!))) {
      this.#last = { ...last, all };
      return this.#last;
    }
    const taken = new Set(all.flatMap(({ frontend }) => (isNamed(frontend) ? [] : addressNumber(frontend.address))));
    const places = this.#places(named, taken);
    this.#last = { all, places, faults: this.#exhausted(named, places) };
    return this.#last;
  }

  #places(named: readonly NamedService[], taken: ReadonlySet<bigint>): Places {
    const { v4, v6, legacy } = this.#options;
    const place = (range: AddressRange | undefined, slot: number): ReadonlyMap<string, bigint> => {
      if (range === undefined) return new Map();
      const known = this.#preferred[slot]!;
      const names = named.filter((one) => families(one).includes(range.family)).map(nameOf);
      const preferred = new Map(names.map((name) => [name, known.get(name) ?? preferredAddress(name, range, legacy)]));
      this.#preferred[slot] = preferred;
      return placeNames({ range, preferred, taken });
    };
    return { 4: place(v4, 0), 6: place(v6, 1) };
  }

  #resolve(service: NamedService, places: Places): readonly ServiceDefinition[] {
    const before = this.#made.get(service);
    if (before?.places === places) return before.services;
    const own = families(service);
    const numbers = own.map((family) => places[family].get(nameOf(service)));
    if (before?.numbers.every((number, i) => number === numbers[i])) {
      before.places = places;
      return before.services;
    }
    const services = own.flatMap((family, i) => {
      const number = numbers[i];
      return number === undefined ? [] : [concrete(service, family, addressOf(family, number))];
    });
    this.#made.set(service, { places, numbers, services });
    return services;
  }

  #exhausted(named: readonly NamedService[], places: Places): readonly Fault[] {
    const { v4, v6 } = this.#options;
    return named.flatMap((service) =>
      families(service)
        .filter((family) => !places[family].has(nameOf(service)))
        .map((family) => exhausted(service, family, family === 4 ? v4 : v6)),
    );
  }
}

/** What names were given, and for whom. */
interface Placed {
  readonly all: readonly DeclaredService[];
  readonly places: Places;
  readonly faults: readonly Fault[];
}

type Places = Readonly<Record<Family, ReadonlyMap<string, bigint>>>;

function concrete(service: NamedService, family: Family, address: string): ServiceDefinition {
  const { port, protocol, name: vipName } = service.frontend;
  const backends = service.backends.filter((backend) => familyOf(backend.address) === family);
  const name = partName(service.name, family);
  return { ...service, name, vipName, frontend: { address, port, protocol }, backends };
}

/** What of a service decides on addresses. */
interface Wish {
  readonly name: string;
  readonly families: readonly Family[];
}

const wishes = new WeakMap<NamedService, Wish>();

function wishOf(service: NamedService): Wish {
  const known = wishes.get(service);
  if (known) return known;
  const wish = { name: vipNameText(service.frontend.name), families: familiesOf(service) };
  wishes.set(service, wish);
  return wish;
}

/** Without backends a name has an IPv4 address, which refuses. */
function familiesOf({ backends }: NamedService): readonly Family[] {
  const v6 = backends.some(({ address }) => familyOf(address) === 6);
  const v4 = !v6 || backends.some(({ address }) => familyOf(address) === 4);
  return v4 ? (v6 ? [4, 6] : [4]) : [6];
}

const families = (service: NamedService): readonly Family[] => wishOf(service).families;

const nameOf = (service: NamedService): string => wishOf(service).name;

function asksTheSame(a: DeclaredService, b: DeclaredService): boolean {
  if (a === b) return true;
  if (a.name !== b.name) return false;
  if (!hasName(a) || !hasName(b)) return sameAddress(a, b);
  return nameOf(a) === nameOf(b) && families(a).join() === families(b).join();
}

function sameAddress({ frontend: a }: DeclaredService, { frontend: b }: DeclaredService): boolean {
  return !isNamed(a) && !isNamed(b) && a.address === b.address;
}

function hasName(service: DeclaredService): service is NamedService {
  return isNamed(service.frontend);
}

function withAddress(service: DeclaredService): readonly ServiceDefinition[] {
  const { frontend } = service;
  return isNamed(frontend) ? [] : [service as ServiceDefinition];
}

function withAddresses({ source, services }: DeclaredSet): SourceSet {
  return { source, services: services.flatMap(withAddress) };
}

function exhausted(service: NamedService, family: Family, range: AddressRange | undefined): Fault {
  const name = nameOf(service);
  const cause = range
    ? `no address of ${formatRange(range)} is left for its name ${name}`
    : `there is no IPv${family} pool for the address of its name ${name}`;
  return { code: 'NAMES_EXHAUSTED', object: `service ${service.name}`, cause, hint: 'give names a larger range' };
}
