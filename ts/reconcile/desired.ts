import type { Prefix } from '../model/address.js';
import {
  compareBackends,
  type ForwardedBackend,
  type ForwardedVip,
  type Forwarding,
  sameVip,
} from '../model/forwarding.js';
import type { Policy } from '../model/policy.js';
import { type BackendDefinition, type BackendKey, backendKey, type VipKey, vipKey } from '../model/service.js';
import type { BackendStatus, VipStatus } from '../model/status.js';
import type { ServiceTable, SourcedService } from '../model/table.js';
import type { Ejection, Ejections, Verdicts } from '../model/verdict.js';
import { ejected } from './ejection.js';
import { type Here, type Located, nearest } from './locality.js';
import { type Place, place } from './rotation.js';

export interface DesiredInputs {
  readonly table: ServiceTable;
  readonly verdicts: Verdicts;
  /** `service\0backend` of every backend an operator has drained. */
  readonly drained: ReadonlySet<string>;
  /** What the kernel held when this process started; matters at the first call only. */
  readonly adopted?: Forwarding | undefined;
  readonly pools: readonly Prefix[];
  /** Addresses of this node; where they are not known nothing is taken for its own. */
  readonly local?: { has(address: string): boolean };
  /** The same object while nothing changes. */
  readonly here?: Here;
  /** Backends that are to be left alone, for services that say so. */
  readonly ejections?: Ejections;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A VIP as it should be; whether the kernel agrees is for the reconciler to say. */
export type DesiredVip = Omit<VipStatus, 'programmed' | 'fault'>;

export interface Desired {
  readonly forwarding: Forwarding;
  /** In the order of the table. */
  readonly vips: readonly DesiredVip[];
  /** Kept for the next call. */
  readonly services: ReadonlyMap<string, Worked>;
  /** Adopted VIPs that no service has claimed so far. */
  readonly unclaimed: ReadonlyMap<VipKey, ForwardedVip>;
}

/** The outcome for one service, and all it was made from. */
interface Worked {
  readonly service: SourcedService;
  readonly revision: number | undefined;
  readonly drained: string;
  /** Backends that this node reaches otherwise than others do. */
  readonly rewritten: string;
  readonly here: Here;
  readonly ejections: ReadonlyMap<BackendKey, Ejection> | undefined;
  readonly row: DesiredVip;
  readonly vip: ForwardedVip;
}

/**
 * What the kernel should hold. Pure; given its own last result it works out anew only the services that changed, and
 * every VIP that stays the same stays the same object.
 */
export function desired(inputs: DesiredInputs, before?: Desired): Desired {
  const drained = drainedByService(inputs.drained);
  const adopted = before?.unclaimed ?? inputs.adopted?.vips ?? new Map<VipKey, ForwardedVip>();
  const services = new Map<string, Worked>();
  const vips = new Map<VipKey, ForwardedVip>();
  const rows: DesiredVip[] = [];
  const { here = NOWHERE } = inputs;
  for (const [name, service] of inputs.table.services) {
    const last = before?.services.get(name);
    const revision = inputs.verdicts.revision?.(name);
    const drains = drained.get(name) ?? '';
    const rewritten = rewrites(service, inputs);
    const same = last?.service === service && last.drained === drains && last.rewritten === rewritten;
    const fresh = same && revision !== undefined;
    const ejections = inputs.ejections?.of(vipKey(service.definition.frontend));
    const { locality } = service.definition.policy ?? {};
    const stays = (locality === undefined || last?.here === here) && last?.ejections === ejections;
    const worked =
      fresh && stays && last.revision === revision
        ? last
        : work(service, inputs, last, before?.forwarding.vips ?? adopted, adopted, {
            revision,
            drained: drains,
            rewritten,
            here,
            ejections,
          });
    services.set(name, worked);
    vips.set(worked.row.key, worked.vip);
    rows.push(worked.row);
  }
  const claimed = [...adopted.keys()].some((key) => vips.has(key));
  const unclaimed = claimed ? new Map([...adopted].filter(([key]) => !vips.has(key))) : adopted;
  return { forwarding: { pools: inputs.pools, vips }, vips: rows, services, unclaimed };
}

function work(
  service: SourcedService,
  inputs: DesiredInputs,
  last: Worked | undefined,
  current: ReadonlyMap<VipKey, ForwardedVip>,
  adopted: ReadonlyMap<VipKey, ForwardedVip>,
  madeFrom: Pick<Worked, 'revision' | 'drained' | 'rewritten' | 'here' | 'ejections'>,
): Worked {
  const { definition, source } = service;
  const { name, frontend, vipName, policy } = definition;
  const key = vipKey(frontend);
  const held = heldBackends(current.get(key) ?? adopted.get(key));
  const rows = new Map(last?.row.backends.map((row) => [backendKey(row), row]));
  const each = definition.backends.map((backend) => {
    const id = backendKey(backend);
    const drained = inputs.drained.has(`${name}\0${id}`);
    const reached = reachedAt(backend, inputs);
    const verdict = backend.origin ? backend.origin.verdict : inputs.verdicts.verdict(name, id);
    return place(reached, { drained, verdict, held: held.get(backendKey(reached)) });
  });
  const fit = withoutFailing(each, policy, madeFrom.ejections);
  const places = policy?.locality ? nearest(policy.locality, located(definition.backends, fit), madeFrom.here) : fit;
  const backends = definition.backends.map((backend, i) =>
    status(backend, places[i]!, rows.get(backendKey(backend)), inputs.now),
  );
  const usable = distinct(
    places.flatMap(({ forwarded }) => forwarded ?? []),
    madeFrom.rewritten,
  );
  const carried = policy && forDataPlane(policy);
  const vip = { frontend, backends: usable, ...(carried && { policy: carried }) };
  const row = { key, name, source, frontend, ...(vipName && { vipName }), backends, ...(policy && { policy }) };
  return { service, ...madeFrom, row, vip: last && last.row.key === key && sameVip(last.vip, vip) ? last.vip : vip };
}

/**
 * The address at which this node reaches a backend: its own port mappings apply to what others send it, and not to what
 * leaves its own load balancer.
 */
function reachedAt(backend: BackendDefinition, { local }: DesiredInputs): BackendDefinition {
  const { local: inside, origin } = backend;
  if (!inside || origin || !local?.has(backend.address)) return backend;
  return { ...backend, address: inside.address, port: inside.port };
}

const withMappings = new WeakMap<SourcedService, boolean>();

function rewrites(service: SourcedService, inputs: DesiredInputs): string {
  const { backends } = service.definition;
  const some = withMappings.get(service) ?? backends.some(({ local }) => local !== undefined);
  withMappings.set(service, some);
  return some ? backends.map((one) => backendKey(reachedAt(one, inputs))).join() : '';
}

/** In order again after some were given other addresses; of two that became one the first. */
function distinct(backends: readonly ForwardedBackend[], rewritten: string): readonly ForwardedBackend[] {
  if (rewritten === '') return backends;
  const byKey = new Map(backends.toReversed().map((backend) => [backendKey(backend), backend]));
  return [...byKey.values()].sort(compareBackends);
}

/** A backend goes by the address at which its connects were counted. */
function withoutFailing(places: readonly Place[], policy: Policy | undefined, ejections: Worked['ejections']) {
  const { outlier } = policy ?? {};
  if (outlier === undefined || ejections === undefined) return places;
  const judged = places.map((place) => ({
    place,
    ejection: place.forwarded && ejections.get(backendKey(place.forwarded)),
  }));
  return ejected(outlier.maxEjectedPercent, judged);
}

const NOWHERE: Here = { addresses: new Set() };

function located(backends: readonly BackendDefinition[], places: readonly Place[]): readonly Located[] {
  return backends.map((backend, i) => ({ backend, place: places[i]! }));
}

/** What is near and what fails is decided here; a data plane gets the weights that follow from it. */
function forDataPlane({ locality: _near, outlier: _failing, ...carried }: Policy): Policy | undefined {
  return Object.keys(carried).length === 0 ? undefined : carried;
}

/** A row keeps the time at which its state was entered. */
function status(backend: BackendDefinition, found: Place, last: BackendStatus | undefined, now: number): BackendStatus {
  const { address, port, weight, origin } = backend;
  const since = last?.state === found.state ? last.since : now;
  return {
    address,
    port,
    weight,
    ...(origin && { node: origin.node }),
    state: found.state,
    reason: found.reason,
    since,
  };
}

function heldBackends(vip: ForwardedVip | undefined): ReadonlyMap<BackendKey, ForwardedBackend> {
  return new Map(vip?.backends.map((backend) => [backendKey(backend), backend]));
}

/** The drained backends of each service as one text, to notice a change by. */
function drainedByService(drained: ReadonlySet<string>): ReadonlyMap<string, string> {
  const services = new Map<string, string>();
  for (const key of [...drained].sort()) {
    const service = key.slice(0, key.indexOf('\0'));
    services.set(service, `${services.get(service) ?? ''}${key}\n`);
  }
  return services;
}
