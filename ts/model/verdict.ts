import type { BackendKey } from './service.js';

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
