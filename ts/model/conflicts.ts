import type { Endpoint, Protocol } from './address.js';
import { vipNameText } from './name.js';
import type { Problem } from './problem.js';
import { LOOP_HINT } from './rules.js';
import { backendKey, type DeclaredService, isNamed, type ServiceDefinition, type VipKey, vipKey } from './service.js';

/** A definition that wants to be in the table. Made by {@link candidate}, and worth keeping with its definition. */
export interface Candidate {
  readonly definition: DeclaredService & Pick<ServiceDefinition, 'vipName'>;
  /** Where it stands, for the fault of the one that conflicts with it. */
  readonly place: string;
  readonly keys: Keys;
}

/** What a definition occupies, worked out once: the whole set is settled again at every change of any of its members. */
interface Keys {
  readonly vip: VipKey;
  readonly district: string;
  /** Of the backends. */
  readonly districts: readonly string[];
}

/** A candidate that lost against an earlier one. */
export interface Conflict<C extends Candidate> {
  readonly loser: C;
  readonly problem: Problem;
}

export interface Settlement<C extends Candidate> {
  /** By name, in the given order. */
  readonly accepted: ReadonlyMap<string, C>;
  readonly conflicts: readonly Conflict<C>[];
}

/** @param place looked up when it is needed: in a large file that costs more than all the rest */
export function candidate(definition: DeclaredService, place: string | (() => string)): Candidate {
  const { frontend, backends } = definition;
  const { protocol } = frontend;
  const keys = {
    vip: vipKey(frontend),
    // No backend has a name for its address.
    district: isNamed(frontend) ? '' : district(protocol, frontend),
    districts: [...new Set(backends.map((backend) => district(protocol, backend)))],
  };
  if (typeof place === 'string') return { definition, place, keys };
  return Object.defineProperty({ definition, place: '', keys }, 'place', { get: place });
}

/** Coarse enough to be one or two for all backends of a service, fine enough to hold no VIP in most networks. */
function district(protocol: Protocol, { address, port }: Endpoint): string {
  return `${protocol}/${port}/${/^[^.:]*[.:][^.:]*/.exec(address)?.[0]}`;
}

/** Where the VIPs are; a backend in none of these districts is no VIP. */
export function vipDistricts(candidates: readonly Candidate[]): ReadonlySet<string> {
  return new Set(candidates.map(({ keys }) => keys.district));
}

/**
 * Which services may stand beside each other: names and VIPs are unique, and no backend is a VIP. The earlier candidate
 * wins, so the outcome is a function of the given order alone.
 */
export function settle<C extends Candidate>(candidates: readonly C[]): Settlement<C> {
  const conflicts: Conflict<C>[] = [];
  const names = new Map<string, C>();
  const vips = new Map<VipKey, C>();
  for (const candidate of candidates) {
    const problem = nameTaken(candidate, names) ?? vipTaken(candidate, vips);
    if (problem) conflicts.push({ loser: candidate, problem });
    else {
      names.set(candidate.definition.name, candidate);
      vips.set(candidate.keys.vip, candidate);
    }
  }
  for (const lost of breakLoops([...names.values()], vips, conflicts)) names.delete(lost.definition.name);
  return { accepted: names, conflicts };
}

function nameTaken({ definition: { name } }: Candidate, names: ReadonlyMap<string, Candidate>): Problem | undefined {
  const other = names.get(name);
  if (!other) return undefined;
  const cause = `the name ${name} is taken by ${other.place}`;
  return { path: ['name'], code: 'NAME_DUPLICATE', cause, hint: 'choose another name' };
}

function vipTaken({ definition, keys }: Candidate, vips: ReadonlyMap<VipKey, Candidate>): Problem | undefined {
  const other = vips.get(keys.vip);
  if (!other) return undefined;
  const { vipName } = definition;
  const vip = vipName ? `${keys.vip} of ${vipNameText(vipName)}` : keys.vip;
  const cause = `the VIP ${vip} is taken by service ${other.definition.name}, ${other.place}`;
  return { path: ['vip'], code: 'VIP_OVERLAP', cause, hint: 'choose another address or port' };
}

/** Of two services, one with a backend that is the VIP of the other, the later one loses; returns those that lost. */
function breakLoops<C extends Candidate>(
  candidates: readonly C[],
  vips: ReadonlyMap<VipKey, C>,
  conflicts: Conflict<C>[],
): ReadonlySet<C> {
  const lost = new Set<C>();
  const rank = new Map<C, number>();
  const districts = vipDistricts(candidates);
  for (const candidate of candidates) {
    if (!candidate.keys.districts.some((one) => districts.has(one))) continue;
    for (const backend of candidate.definition.backends) {
      const key = `${candidate.definition.frontend.protocol}/${backendKey(backend)}`;
      const target = vips.get(key);
      if (!target || lost.has(target) || lost.has(candidate)) continue;
      if (rank.size === 0) for (const [i, one] of candidates.entries()) rank.set(one, i);
      const [winner, loser] = rank.get(candidate)! <= rank.get(target)! ? [candidate, target] : [target, candidate];
      lost.add(loser);
      conflicts.push({ loser, problem: loop(key, loser === candidate, winner) });
    }
  }
  return lost;
}

function loop(key: VipKey, backendLoses: boolean, { definition, place }: Candidate): Problem {
  const other = `service ${definition.name}, ${place}`;
  return backendLoses
    ? { path: ['backends'], code: 'BACKEND_LOOP', cause: `the backend ${key} is the VIP of ${other}`, hint: LOOP_HINT }
    : { path: ['vip'], code: 'BACKEND_LOOP', cause: `the VIP ${key} is a backend of ${other}`, hint: LOOP_HINT };
}
