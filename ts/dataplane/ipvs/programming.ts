import type { ForwardedVip } from '../../model/forwarding.js';
import { VipdError } from '../../util/errors.js';
import { type HeldService, readService } from './held.js';
import type { DestinationSettings, ServiceSettings } from './messages.js';
import { destinationsOf, OWN, sameSettings, serviceOf } from './scheduling.js';
import type { IpvsTable } from './table.js';

/** Without a scheduler a service refuses; each destination would make the other schedulers fill their table anew. */
const nobody: ServiceSettings = { scheduler: 'none', flags: OWN, timeout: 0 };

/**
 * Makes the service what the VIP says: destinations first, then the schedule, what is gone last.
 * @param held what the kernel has of it by all we know
 * @throws VipdError POLICY_UNSUPPORTED, SCHEDULER_MISSING, FOREIGN_SERVICE; NativeError
 */
export function program(table: IpvsTable, vip: ForwardedVip, held: HeldService | undefined): void {
  const wanted = serviceOf(vip);
  const there = held ?? create(table, vip);
  const destinations = destinationsOf(vip);
  const known = new Map(there?.destinations.map((one) => [nameOf(one), one]));
  for (const one of destinations) {
    const before = known.get(nameOf(one));
    if (before === undefined) table.addDestination(vip.frontend, one);
    else if (before.weight !== one.weight || before.method !== one.method) table.changeDestination(vip.frontend, one);
    known.delete(nameOf(one));
  }
  if (there === undefined || !sameSettings(there.service, wanted)) schedule(table, vip, wanted, there === undefined);
  for (const gone of known.values()) table.removeDestination(vip.frontend, gone);
}

/** Undefined when it is new; what an interrupted start left is taken over. */
function create(table: IpvsTable, { frontend }: ForwardedVip): HeldService | undefined {
  try {
    table.add(frontend, nobody);
    return undefined;
  } catch (error) {
    const own = isForeign(error) ? readService(table, frontend) : undefined;
    if (own === undefined) throw error;
    return own;
  }
}

/** A service that cannot have its schedule must not stay as one that refuses for no visible reason. */
function schedule(table: IpvsTable, { frontend }: ForwardedVip, wanted: ServiceSettings, fresh: boolean): void {
  try {
    table.change(frontend, wanted);
  } catch (error) {
    if (fresh) table.remove(frontend);
    throw error;
  }
}

function isForeign(error: unknown): boolean {
  return error instanceof VipdError && error.code === 'FOREIGN_SERVICE';
}

function nameOf({ address, port }: Pick<DestinationSettings, 'address' | 'port'>): string {
  return `${address} ${port}`;
}
