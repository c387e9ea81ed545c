import type { DeclaredSet } from '../allocate/allocate.js';
import { familyOf } from '../model/address.js';
import { compareBackends } from '../model/forwarding.js';
import {
  type BackendDefinition,
  backendKey,
  type DeclaredService,
  isNamed,
  MAX_BACKENDS_PER_VIP,
  type VipKey,
  vipKey,
} from '../model/service.js';
import type { JointVip } from '../model/table.js';
import { failOpen, withOwnNames } from './company.js';

/** What one source says, and whether its VIPs may be those of others as well. */
export interface JoinableSet extends DeclaredSet {
  readonly joins: boolean;
}

export interface Joined {
  /** In the given order; a VIP that was joined to one of an earlier set is no longer in its own. */
  readonly sets: readonly DeclaredSet[];
  readonly joint: readonly JointVip[];
}

interface Host {
  readonly set: number;
  readonly service: DeclaredService;
  readonly guests: { readonly source: string; readonly service: DeclaredService }[];
}

/** What a service and its guests came to, kept with the service: what stays the same stays the same object. */
interface Made {
  readonly guests: readonly DeclaredService[];
  readonly service: DeclaredService;
}

const made = new WeakMap<DeclaredService, Made>();

/**
 * One VIP for each frontend, with all its backends, as far as its sources allow: what a joining source says of a VIP of
 * an earlier one is added there. The first decides on name, check and policy, and on a backend that several name.
 */
export function join(sets: readonly JoinableSet[]): Joined {
  if (!sets.some(({ joins }) => joins)) return { sets, joint: [] };
  const hosts = hostsOf(sets);
  const visited = [...hosts.values()].filter(({ guests }) => guests.length > 0);
  if (visited.length === 0 && !sets.some(({ joins, services }) => joins && services.length > 0))
    return { sets, joint: [] };
  const guests = new Set(visited.flatMap((host) => host.guests.map(({ service }) => service)));
  const hosting = new Map(visited.map((host) => [host.service, host]));
  const names = new Set(sets.flatMap(({ joins, services }) => (joins ? [] : services.map(({ name }) => name))));
  const joined = sets.map(({ source, joins, services }) => {
    const own = services.filter((one) => !guests.has(one)).map((one) => failOpen(withGuests(one, hosting.get(one))));
    return { source, services: joins ? withOwnNames(own, names) : own };
  });
  return { sets: joined, joint: visited.map((host) => jointOf(host, sets)) };
}

const keys = new WeakMap<DeclaredService, VipKey>();

function keyOf(service: DeclaredService): VipKey {
  const known = keys.get(service) ?? vipKey(service.frontend);
  keys.set(service, known);
  return known;
}

function hostsOf(sets: readonly JoinableSet[]): ReadonlyMap<VipKey, Host> {
  const hosts = new Map<VipKey, Host>();
  for (const [i, { source, services, joins }] of sets.entries()) {
    for (const service of services) {
      const key = keyOf(service);
      const host = hosts.get(key);
      if (!host) hosts.set(key, { set: i, service, guests: [] });
      else if (host.set !== i && (joins || sets[host.set]!.joins)) host.guests.push({ source, service });
    }
  }
  return hosts;
}

function withGuests(service: DeclaredService, host: Host | undefined): DeclaredService {
  if (!host) return service;
  const guests = host.guests.map((guest) => guest.service);
  const before = made.get(service);
  if (before && before.guests.length === guests.length && guests.every((one, i) => one === before.guests[i])) {
    return before.service;
  }
  const united = { ...service, backends: backendsOf([service, ...guests]) };
  made.set(service, { guests, service: united });
  return united;
}

/** Sorted; of one that several name, the first. */
function backendsOf(services: readonly DeclaredService[]): readonly BackendDefinition[] {
  const { frontend } = services[0]!;
  const fits = ({ address }: BackendDefinition): boolean =>
    isNamed(frontend) || familyOf(address) === familyOf(frontend.address);
  const backends = new Map<string, BackendDefinition>();
  for (const backend of services.flatMap((one) => one.backends.filter(fits))) {
    const key = backendKey(backend);
    if (!backends.has(key)) backends.set(key, backend);
  }
  return [...backends.values()].sort(compareBackends).slice(0, MAX_BACKENDS_PER_VIP);
}

function jointOf({ set, service, guests }: Host, sets: readonly JoinableSet[]): JointVip {
  const sources = [sets[set]!.source, ...guests.map(({ source }) => source)];
  return { vip: vipKey(service.frontend), service: service.name, sources: [...new Set(sources)] };
}
