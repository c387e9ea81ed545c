import type { BackendKey, VipKey } from './service.js';

/** What a health check says of a backend. */
export interface Verdict {
  readonly state: 'pending' | 'healthy' | 'unhealthy';
  /** One clause for people: `healthy`, `tcp: ECONNREFUSED, 2 of 2 failures`. */
  readonly reason: string;
  /** When `state` was entered, milliseconds since the epoch. */
  readonly since: number;
}

export interface Verdicts {
  /** undefined when no check is defined. */
  verdict(service: string, backend: BackendKey): Verdict | undefined;
  /** Another number whenever a verdict of the service has changed. Without it every service is looked at every time. */
  revision?(service: string): number;
}

/** A backend that takes no new connections for a while, because those it was given failed. */
export interface Ejection {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** Which one it is of those that are not forgotten yet. */
  readonly times: number;
  /** One clause for people: `5 connects in a row failed (refused)`. */
  readonly cause: string;
}

export interface Ejections {
  /** By backend; the same object while nothing changes. undefined when none is ejected. */
  of(vip: VipKey): ReadonlyMap<BackendKey, Ejection> | undefined;
}
