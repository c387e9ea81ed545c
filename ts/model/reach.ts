import { type Endpoint, type Family, familyOf } from './address.js';
import type { Task, TaskPort } from './task.js';

/** Where a task can be reached by a port: through its agent where that maps the port, else at its own addresses. */
export function endpointsOf(task: Task, { port, hostPort }: TaskPort): readonly Endpoint[] {
  if (hostPort !== undefined) return [{ address: task.agentAddress, port: hostPort }];
  if (port === undefined) return [];
  return task.addresses.map((address) => ({ address, port }));
}

/** Those a VIP of this family, or a named one (undefined), can use. */
export function usable(endpoints: readonly Endpoint[], family: Family | undefined, ipv6: boolean): readonly Endpoint[] {
  return endpoints.filter(({ address }) => {
    const own = familyOf(address);
    return (family === undefined || own === family) && (ipv6 || own === 4);
  });
}

/**
 * 1 takes connections; 0 keeps those there are: the task ends, has failed its check, or has not passed it yet, unless
 * `pendingReady` lets that count as passed.
 */
export function weightOf(
  { phase, healthy, pending }: Task,
  pendingReady = false,
): { readonly weight: 0 | 1; readonly reason?: string } {
  if (phase === 'killing') return { weight: 0, reason: 'task is being killed' };
  if (pending && pendingReady) return { weight: 1 };
  if (pending) return { weight: 0, reason: 'task has not been checked yet' };
  if (healthy === false) return { weight: 0, reason: 'task is not healthy' };
  return { weight: 1 };
}

/** Only tasks that run, or still run while they are killed, are behind a VIP. */
export function isServing({ phase }: Task): boolean {
  return phase === 'running' || phase === 'killing';
}
