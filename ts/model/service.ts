import { type Endpoint, formatEndpoint, type Protocol } from './address.js';
import type { Policy } from './policy.js';

/** Where clients connect: the VIP, its port and protocol. */
export interface Frontend extends Endpoint {
  readonly protocol: Protocol;
}

/** Identity of a frontend: `tcp/11.0.0.80:80`, `udp/[fd00::53]:53`. */
export type VipKey = string;

/** Identity of a backend inside its service: `10.0.0.1:8080`. */
export type BackendKey = string;

/** More would make selection tables and status unreadable long before the kernel's maps are full. */
export const MAX_BACKENDS_PER_VIP = 4096;

export interface BackendDefinition extends Endpoint {
  /** Share of new connections relative to the other backends, 0–256; 0 drains: no new ones, established ones go on. */
  readonly weight: number;
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
export interface ServiceDefinition {
  /** Unique over all sources; `[A-Za-z0-9._-]{1,253}`. */
  readonly name: string;
  readonly frontend: Frontend;
  readonly backends: readonly BackendDefinition[];
  readonly health?: HealthCheck;
  readonly policy?: Policy;
}

export function vipKey(frontend: Frontend): VipKey {
  return `${frontend.protocol}/${formatEndpoint(frontend)}`;
}

export function backendKey(backend: Endpoint): BackendKey {
  return formatEndpoint(backend);
}
