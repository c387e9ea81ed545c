import type { ForwardedBackend } from '../model/forwarding.js';
import type { BackendDefinition } from '../model/service.js';
import type { BackendState } from '../model/status.js';
import type { Verdict } from '../model/verdict.js';

export interface Circumstances {
  /** An operator has drained it. */
  readonly drained: boolean;
  /** undefined when no check is defined. */
  readonly verdict: Verdict | undefined;
  /** The backend as the data plane has it now; undefined when it has not. */
  readonly held: ForwardedBackend | undefined;
}

/** Where a backend stands, why, and what of it the data plane shall have. */
export interface Place {
  readonly state: BackendState;
  readonly reason: string;
  readonly forwarded: ForwardedBackend | undefined;
}

/**
 * The rules of rotation, in order. Draining comes before health: a server that is about to stop often fails its checks
 * on purpose while it finishes what it has, and weight 0 already keeps new connections away.
 */
export function place(backend: BackendDefinition, { drained, verdict, held }: Circumstances): Place {
  if (drained) return { state: 'draining', reason: 'drained by operator', forwarded: forwarded(backend, 0) };
  if (backend.weight === 0)
    return { state: 'draining', reason: backend.reason ?? 'weight 0', forwarded: forwarded(backend, 0) };
  const { origin } = backend;
  if (origin?.omitted !== undefined) return { state: 'down', reason: origin.omitted, forwarded: undefined };
  if (!verdict) return { state: 'active', reason: 'no health check', forwarded: forwarded(backend) };
  if (verdict.state === 'healthy') return { state: 'active', reason: verdict.reason, forwarded: forwarded(backend) };
  if (verdict.state === 'unhealthy') return { state: 'down', reason: verdict.reason, forwarded: undefined };
  return undecided(backend, verdict, held);
}

/** Without a verdict yet nothing moves: a restart or an edited check must not empty a VIP that works. */
function undecided(backend: BackendDefinition, verdict: Verdict, held: ForwardedBackend | undefined): Place {
  if (!held) return { state: 'pending', reason: verdict.reason, forwarded: undefined };
  if (held.weight === 0) return { state: 'pending', reason: verdict.reason, forwarded: forwarded(backend, 0) };
  return { state: 'active', reason: `was in rotation, ${verdict.reason}`, forwarded: forwarded(backend) };
}

/** The definition itself where it says it all: there are very many of them. */
function forwarded(backend: BackendDefinition, weight: number = backend.weight): ForwardedBackend {
  return weight === backend.weight ? backend : { address: backend.address, port: backend.port, weight };
}
