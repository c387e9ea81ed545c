import type { Policy } from '../model/policy.js';
import { declaredName, type NamedFrontend, vipKey } from '../model/service.js';
import type { BackendStatus, VipStatus } from '../model/status.js';
import type { Publication } from './own.js';
import { type BackendMessage, Health, type VipMessage } from './wire.js';

/** A VIP as this node would have it, whether or not the kernel agrees. */
export type PublishableVip = Pick<VipStatus, 'name' | 'source' | 'frontend' | 'vipName' | 'backends'>;

/** What is made of a row is kept with it: rows that stay the same are most of them. */
const made = new WeakMap<PublishableVip, { readonly key: string; readonly vip: VipMessage }>();

/** What this node has to say: the VIPs it defines itself, with those backends that are its own, and how they are. */
export function publicationOf(
  rows: readonly PublishableVip[],
  isShared: (source: string) => boolean,
  policyOf: (name: string) => Policy | undefined,
): Publication {
  const vips = new Map<string, VipMessage>();
  for (const row of rows) {
    if (isShared(row.source)) continue;
    const one = made.get(row) ?? vipOf(row, policyOf(row.name));
    made.set(row, one);
    const other = vips.get(one.key);
    // The two families of a name are one VIP to others.
    vips.set(one.key, other ? { ...other, backends: [...other.backends, ...one.vip.backends] } : one.vip);
  }
  return vips;
}

function vipOf(row: PublishableVip, policy: Policy | undefined): { key: string; vip: VipMessage } {
  const { frontend, vipName, backends } = row;
  const declared: NamedFrontend | undefined = vipName && { ...frontend, name: vipName };
  return {
    key: vipKey(declared ?? frontend),
    vip: {
      service: declaredName(row.name),
      label: vipName?.label ?? '',
      framework: vipName?.framework ?? '',
      address: vipName ? '' : frontend.address,
      port: frontend.port,
      protocol: frontend.protocol,
      backends: backends.filter(({ node }) => node === undefined).map(backendOf),
      policy: policy ? JSON.stringify(policy) : '',
    },
  };
}

function backendOf({ address, port, weight, state, reason }: BackendStatus): BackendMessage {
  const health = {
    active: Health.healthy,
    draining: Health.unchecked,
    down: Health.unhealthy,
    pending: Health.pending,
    // What is near to this node, and what its own connections say, is for itself alone.
    standby: Health.healthy,
    ejected: Health.healthy,
  }[state];
  const unchecked = state === 'active' && reason === 'no health check';
  return {
    address,
    port,
    weight: state === 'draining' ? 0 : weight,
    health: unchecked ? Health.unchecked : health,
    reason,
  };
}
