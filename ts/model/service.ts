import { type Endpoint, type Family, formatEndpoint, type Protocol } from './address.js';
import { type VipName, vipNameText } from './name.js';
import type { Policy } from './policy.js';
import type { Verdict } from './verdict.js';

/** Where clients connect: the VIP, its port and protocol. */
export interface Frontend extends Endpoint {
  readonly protocol: Protocol;
}

/** Where clients connect when the address follows from a name. Identity is the text of the name, not how it is split. */
export interface NamedFrontend {
  /** Normalised, neither part empty. */
  readonly name: VipName;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Identity of a frontend: `tcp/11.0.0.80:80`, `udp/[fd00::53]:53`, `tcp/web.marathon:80`. */
export type VipKey = string;

/** Identity of a backend inside its service: `10.0.0.1:8080`. */
export type BackendKey = string;

/** More would make selection tables and status unreadable long before the kernel's maps are full. */
export const MAX_BACKENDS_PER_VIP = 4096;

export interface BackendDefinition extends Endpoint {
  /** Share of new connections relative to the other backends, 0–256; 0 drains: no new ones, established ones go on. */
  readonly weight: number;
  /** Why its source gave it weight 0, one clause for people. */
  readonly reason?: string;
  /** Where it is, for services that prefer what is near. */
  readonly zone?: string;
  /** Absent for those this node defines itself. */
  readonly origin?: BackendOrigin;
  /** Where the node that defines it reaches it itself, if that is another address: behind a mapped port. */
  readonly local?: Endpoint;
}

/** Of a backend that another node defines: what that node says of it. */
export interface BackendOrigin {
  /** Name of the node. */
  readonly node: string;
  /** undefined: nothing checks it. */
  readonly verdict: Verdict | undefined;
  /** Why it is not used whatever its node said: the node is unreachable, or has not been heard for too long. */
  readonly omitted?: string;
}

/** An active check of one backend. Times in milliseconds. */
export interface HealthCheck {
  readonly kind: 'tcp' | 'http' | 'command';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive successes that make a backend healthy. */
  readonly rise: number;
  /** Consecutive failures that make it unhealthy. */
  readonly fall: number;
  /** http: path of the request, default `/`; any status 200–399 is a success. */
  readonly path?: string;
  /** http: Host header, default the backend's address and port. */
  readonly host?: string;
  /** http, tcp: check this port instead of the backend's. */
  readonly port?: number;
  /** command: argv; the backend is in `VIPD_BACKEND_ADDRESS` and `VIPD_BACKEND_PORT`; exit status 0 is a success. */
  readonly command?: readonly string[];
}

/** What a source says: one frontend and the backends behind it. Immutable once emitted. */
export interface DeclaredService extends Omit<ServiceDefinition, 'frontend' | 'vipName'> {
  /** Unique over all sources; `[A-Za-z0-9._-]{1,253}`. */
  readonly name: string;
  readonly frontend: Frontend | NamedFrontend;
}

/** A service whose frontend has its address. Backends are of its family. */
export interface ServiceDefinition {
  /** As declared; with `/ipv6` behind it where it is the IPv6 part of one whose frontend has a name. */
  readonly name: string;
  readonly frontend: Frontend;
  /** What the address of the frontend follows from; absent where it was given. */
  readonly vipName?: VipName;
  readonly backends: readonly BackendDefinition[];
  readonly health?: HealthCheck;
  readonly policy?: Policy;
}

const IPV6_PART = '/ipv6';

/** Of the part of a declared service that serves one family; no declared name has a `/`. */
export function partName(declared: string, family: Family): string {
  return family === 4 ? declared : `${declared}${IPV6_PART}`;
}

/** The inverse of {@link partName}. */
export function declaredName(part: string): string {
  return part.endsWith(IPV6_PART) ? part.slice(0, -IPV6_PART.length) : part;
}

export function isNamed(frontend: Frontend | NamedFrontend): frontend is NamedFrontend {
  return 'name' in frontend;
}

export function vipKey(frontend: Frontend | NamedFrontend): VipKey {
  return `${frontend.protocol}/${formatFrontend(frontend)}`;
}

/** As people write it: `11.0.0.80:80`, `[fd01:c::80]:80`, `web.marathon:80`. */
export function formatFrontend(frontend: Frontend | NamedFrontend): string {
  return isNamed(frontend) ? `${vipNameText(frontend.name)}:${frontend.port}` : formatEndpoint(frontend);
}

export function backendKey(backend: Endpoint): BackendKey {
  return formatEndpoint(backend);
}
