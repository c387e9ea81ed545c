import { compareBackends, type ForwardedVip } from '../../model/forwarding.js';
import { type VipKey, vipKey } from '../../model/service.js';
import { breathing } from '../../util/clock.js';
import type { Destination, Service, ServiceAddress } from './messages.js';
import { destinationsOf, OWN, policyOf, sameSettings, serviceOf } from './scheduling.js';
import type { IpvsTable } from './table.js';

/** A service of ours as the kernel has it. */
export interface HeldService {
  readonly service: Service;
  readonly destinations: readonly Destination[];
}

/** All of ours, and the keys of services that others have made. */
export async function readServices(table: IpvsTable): Promise<{ own: Map<VipKey, HeldService>; foreign: VipKey[] }> {
  const own = new Map<VipKey, HeldService>();
  const foreign: VipKey[] = [];
  const breathe = breathing();
  for (const service of await table.services()) {
    await breathe();
    if ((service.flags & OWN) === 0) foreign.push(vipKey(service));
    else own.set(vipKey(service), { service, destinations: table.destinations(service) });
  }
  return { own, foreign };
}

/** One service of ours; undefined when there is none. */
export function readService(table: IpvsTable, at: ServiceAddress): HeldService | undefined {
  const service = table.service(at);
  return service && (service.flags & OWN) !== 0 ? { service, destinations: table.destinations(service) } : undefined;
}

/**
 * Pure: the VIP in model terms. What is as `believed` says is that very object. Undefined for a service whose making was
 * cut short: whoever reads that it is not there will make it anew.
 */
export function vipIn(held: HeldService, believed: ForwardedVip | undefined): ForwardedVip | undefined {
  if (believed !== undefined && holds(held, believed)) return believed;
  const { service, destinations } = held;
  if (service.scheduler === 'none') return undefined;
  const policy = policyOf(service, destinations[0]?.method);
  const { address, port, protocol } = service;
  return {
    frontend: { address, port, protocol },
    backends: destinations.map(({ address, port, weight }) => ({ address, port, weight })).sort(compareBackends),
    ...(policy === undefined ? {} : { policy }),
  };
}

/** Pure: what the kernel has once a VIP is programmed; nothing is counted yet. */
export function heldAs(vip: ForwardedVip): HeldService {
  const totals = { connections: 0n, packets: 0n, bytes: 0n, packetsIn: 0n };
  const destinations = destinationsOf(vip).map((one) => ({ ...one, active: 0, inactive: 0, totals }));
  return { service: { ...vip.frontend, ...serviceOf(vip), totals }, destinations };
}

function holds({ service, destinations }: HeldService, vip: ForwardedVip): boolean {
  const wanted = destinationsOf(vip);
  if (!sameSettings(service, serviceOf(vip)) || destinations.length !== wanted.length) return false;
  const found = new Map(destinations.map((one) => [`${one.address} ${one.port}`, one]));
  return wanted.every((one) => {
    const there = found.get(`${one.address} ${one.port}`);
    return there?.weight === one.weight && there.method === one.method;
  });
}
