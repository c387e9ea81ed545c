import type { ForwardedVip } from '../../model/forwarding.js';
import type { ForwardingMode, Policy, Schedule } from '../../model/policy.js';
import { vipKey } from '../../model/service.js';
import { VipdError } from '../../util/errors.js';
import { type DestinationSettings, flag, method, type ServiceSettings } from './messages.js';

/**
 * Marks a service as ours. The bit belongs to schedulers, and none has a use for its third; so the kernel itself
 * remembers, and what others have made is told apart after any restart.
 */
export const OWN = flag.scheduler3;

/** The kernel's schedulers by what they do; each is the module ip_vs_NAME. */
const schedulers: Readonly<Record<Exclude<Schedule, 'latency'>, { readonly name: string; readonly flags: number }>> = {
  // Table of the destinations alone, hashed with the client's port; a destination of weight 0 is passed over.
  maglev: { name: 'mh', flags: flag.scheduler1 | flag.scheduler2 },
  'round-robin': { name: 'wrr', flags: 0 },
  'least-connections': { name: 'wlc', flags: 0 },
  // Two at random, of which the less loaded one: the only chance IPVS knows.
  random: { name: 'twos', flags: 0 },
};

/** full-nat is NAT here, and masquerade behind it. */
const methods: Readonly<Record<ForwardingMode, number>> = {
  nat: method.masquerade,
  'full-nat': method.masquerade,
  tunnel: method.tunnel,
  direct: method.route,
};

/** Fields of a policy that IPVS has nothing for. `exact` needs nothing: connections are always tracked by their ends. */
const impossible: readonly (keyof Policy)[] = ['clampMss', 'allow', 'deny', 'connectionRate', 'locality'];

/** Pure: how the kernel shall hold a VIP. @throws VipdError POLICY_UNSUPPORTED */
export function serviceOf({ frontend, policy = {} }: ForwardedVip): ServiceSettings {
  const field = impossible.find((one) => policy[one] !== undefined);
  if (field !== undefined) throw unsupported(vipKey(frontend), field);
  const { schedule = 'maglev', affinityMs } = policy;
  if (schedule === 'latency') throw unsupported(vipKey(frontend), 'schedule latency');
  const { name, flags } = schedulers[schedule];
  const persistent = affinityMs === undefined ? 0 : flag.persistent;
  const timeout = affinityMs === undefined ? 0 : Math.max(1, Math.ceil(affinityMs / 1_000));
  return { scheduler: name, flags: flags | persistent | OWN, timeout };
}

/** Pure. In the order of the VIP's backends. */
export function destinationsOf({ backends, policy = {} }: ForwardedVip): DestinationSettings[] {
  const way = methods[policy.forwarding ?? 'nat'];
  return backends.map(({ address, port, weight }) => ({ address, port, weight, method: way }));
}

/** Pure: what may be read back from the kernel about a policy; undefined for the default. */
export function policyOf(settings: ServiceSettings, way: number | undefined): Policy | undefined {
  const schedule = (Object.keys(schedulers) as (keyof typeof schedulers)[]).find(
    (one) => schedulers[one].name === settings.scheduler,
  );
  const persistent = (settings.flags & flag.persistent) !== 0;
  const policy: Policy = {
    ...(schedule === undefined || schedule === 'maglev' ? {} : { schedule }),
    ...(persistent ? { affinityMs: settings.timeout * 1_000 } : {}),
    ...(way === method.tunnel ? { forwarding: 'tunnel' as const } : {}),
    ...(way === method.route ? { forwarding: 'direct' as const } : {}),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

export function sameSettings(a: ServiceSettings, b: ServiceSettings): boolean {
  const persistent = (b.flags & flag.persistent) !== 0;
  return a.scheduler === b.scheduler && a.flags === b.flags && (!persistent || a.timeout === b.timeout);
}

function unsupported(key: string, field: string): VipdError {
  return new VipdError({
    code: 'POLICY_UNSUPPORTED',
    object: `VIP ${key}`,
    cause: `the data plane ipvs cannot do its ${field}`,
    hint: 'leave it out, or run vipd in mode ebpf',
  });
}
