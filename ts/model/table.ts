import type { Fault } from '../util/errors.js';
import { type Candidate, type Conflict, candidate, settle, vipDistricts } from './conflicts.js';
import { problemFault } from './problem.js';
import { type DeclaredService, type ServiceDefinition, type VipKey, vipKey } from './service.js';

export interface SourcedService {
  readonly definition: ServiceDefinition;
  /** Name of the source it comes from. */
  readonly source: string;
}

/** What all sources together want. */
export interface ServiceTable {
  /** By name. */
  readonly services: ReadonlyMap<string, SourcedService>;
  /** One for every definition that lost against another. */
  readonly faults: readonly Fault[];
}

export interface SourceSet {
  readonly source: string;
  readonly services: readonly ServiceDefinition[];
}

/** A VIP that several sources define together. */
export interface JointVip {
  readonly vip: VipKey;
  /** Name of the service, which is that of the first source. */
  readonly service: string;
  /** Names, those of higher priority first. */
  readonly sources: readonly string[];
}

export const EMPTY_TABLE: ServiceTable = { services: new Map(), faults: [] };

type Entry = SourcedService & Candidate;

/** Entries are kept with their definitions: a merge after one change makes one new entry. */
const entries = new WeakMap<ServiceDefinition, Entry>();

/** What a table was made of, for the next one. */
interface Making {
  /** In order. */
  readonly sets: readonly SourceSet[];
  readonly districts: ReadonlySet<string>;
}

const makings = new WeakMap<ServiceTable, Making>();

/**
 * One table of all sets, those of higher priority first. On a conflict of name or VIP the higher priority wins, inside
 * one set the name that sorts first; the order inside a set never matters. The table before, if given, only saves work.
 */
export function mergeReports(byPriority: readonly SourceSet[], before?: ServiceTable): ServiceTable {
  const sets = byPriority.map(({ source, services }) => ({ source, services: inOrder(services) }));
  return (before && amended(before, sets)) ?? merged(sets);
}

/** What stands in the way of all these being defined by one source. */
export function conflictsAmong(services: readonly DeclaredService[], source: string): readonly Fault[] {
  return faultsOf(settle(services.map((one) => candidate(one, source))).conflicts);
}

function faultsOf(conflicts: readonly Conflict<Candidate>[]): readonly Fault[] {
  return conflicts.map(({ loser, problem }) =>
    problemFault({ ...problem, path: [] }, `service ${loser.definition.name}`, loser.place),
  );
}

function merged(sets: readonly SourceSet[]): ServiceTable {
  const candidates = sets.flatMap(({ source, services }) => services.map((one) => entryOf(one, source)));
  const { accepted, conflicts } = settle(candidates);
  const table = { services: accepted, faults: faultsOf(conflicts) };
  makings.set(table, { sets, districts: vipDistricts(candidates) });
  return table;
}

/**
 * The table before with some definitions replaced, where that cannot make a conflict: the same services in the same
 * sets on the same VIPs, and new backends far from any VIP. So one change among thousands does not settle them all.
 */
function amended(before: ServiceTable, sets: readonly SourceSet[]): ServiceTable | undefined {
  const making = makings.get(before);
  if (!making || before.faults.length > 0 || making.sets.length !== sets.length) return undefined;
  const services = new Map(before.services);
  for (const [i, { source, services: now }] of sets.entries()) {
    const last = making.sets[i]!;
    if (last.source !== source || last.services.length !== now.length) return undefined;
    for (const [j, definition] of now.entries()) {
      if (definition === last.services[j]) continue;
      const entry = entryOf(definition, source);
      if (!replaces(entry, last.services[j]!, making.districts)) return undefined;
      services.set(definition.name, entry);
    }
  }
  const table = { services, faults: [] };
  makings.set(table, { sets, districts: making.districts });
  return table;
}

function replaces({ definition, keys }: Entry, last: ServiceDefinition, districts: ReadonlySet<string>): boolean {
  const sameVip = definition.name === last.name && keys.vip === vipKey(last.frontend);
  return sameVip && !keys.districts.some((district) => districts.has(district));
}

function entryOf(definition: ServiceDefinition, source: string): Entry {
  const known = entries.get(definition);
  if (known?.source === source) return known;
  const entry = { ...candidate(definition, `source ${source}`), definition, source };
  entries.set(definition, entry);
  return entry;
}

function inOrder(services: readonly ServiceDefinition[]): readonly ServiceDefinition[] {
  const sorted = services.every((service, i) => i === 0 || compare(services[i - 1]!, service) <= 0);
  return sorted ? services : services.toSorted(compare);
}

/** By name; two of one name, which a source should not say, by their content, so that their order does not matter. */
function compare(a: ServiceDefinition, b: ServiceDefinition): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}
