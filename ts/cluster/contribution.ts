import { type Endpoint, familyOf, formatEndpoint, parseEndpoint } from '../model/address.js';
import { dnsFragment } from '../model/name.js';
import type { Policy } from '../model/policy.js';
import { type Frontend, MAX_BACKENDS_PER_VIP, type NamedFrontend, vipKey } from '../model/service.js';
import { Health, type VipMessage } from './wire.js';

/** A backend as a node publishes it, checked. */
export interface PublishedBackend extends Endpoint {
  readonly weight: number;
  readonly health: 'unchecked' | 'healthy' | 'unhealthy' | 'pending';
  readonly reason: string;
}

/** A VIP as a node publishes it, checked. */
export interface Contribution {
  readonly service: string;
  readonly frontend: Frontend | NamedFrontend;
  readonly backends: readonly PublishedBackend[];
  readonly policy: Policy | undefined;
}

const HEALTH = { [Health.healthy]: 'healthy', [Health.unhealthy]: 'unhealthy', [Health.pending]: 'pending' } as const;

/** What an entry says, or why it is no use: the rules are those of services from files. */
export function readContribution(key: string, vip: VipMessage): Contribution | { readonly cause: string } {
  const frontend = frontendOf(vip);
  if (!frontend) return { cause: `"${key}" has no usable name, address, port or protocol` };
  if (vipKey(frontend) !== key) return { cause: `"${key}" is about ${vipKey(frontend)}` };
  if (vip.backends.length > MAX_BACKENDS_PER_VIP) return { cause: `${key} has ${vip.backends.length} backends` };
  const backends = vip.backends.flatMap((backend) => backendOf(backend, frontend) ?? []);
  if (backends.length < vip.backends.length) return { cause: `a backend of ${key} is not valid` };
  const service = /^[A-Za-z0-9._-]{1,253}$/.test(vip.service) ? vip.service : key.replaceAll(/[^A-Za-z0-9._-]/g, '-');
  return { service, frontend, backends, policy: policyOf(vip.policy) };
}

function frontendOf({ label, framework, address, port, protocol }: VipMessage): Frontend | NamedFrontend | undefined {
  if (protocol !== 'tcp' && protocol !== 'udp') return undefined;
  if (label === '') {
    const endpoint = endpointOf(address, port);
    return endpoint && { ...endpoint, protocol };
  }
  const normal = dnsFragment(label) === label && framework !== '' && dnsFragment(framework) === framework;
  return normal && isPort(port) ? { name: { label, framework }, port, protocol } : undefined;
}

function backendOf(
  backend: VipMessage['backends'][number],
  frontend: Frontend | NamedFrontend,
): PublishedBackend | undefined {
  const endpoint = endpointOf(backend.address, backend.port);
  const { weight, reason } = backend;
  if (!endpoint || weight > 256) return undefined;
  if ('address' in frontend && familyOf(frontend.address) !== familyOf(endpoint.address)) return undefined;
  return {
    ...endpoint,
    weight,
    health: HEALTH[backend.health as keyof typeof HEALTH] ?? 'unchecked',
    reason: reason.slice(0, 200),
  };
}

/** undefined unless it is in canonical form. */
function endpointOf(address: string, port: number): Endpoint | undefined {
  try {
    const endpoint = parseEndpoint(formatEndpoint({ address, port }));
    return endpoint.address === address ? endpoint : undefined;
  } catch {
    return undefined;
  }
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

function policyOf(text: string): Policy | undefined {
  if (text === '') return undefined;
  try {
    const policy: unknown = JSON.parse(text);
    return typeof policy === 'object' && policy !== null ? (policy as Policy) : undefined;
  } catch {
    return undefined; // of a version that writes it otherwise
  }
}
