import type { Event } from '../api/routes/traffic.js';
import { backendKey } from '../model/service.js';
import type { DesiredVip } from '../reconcile/desired.js';

/** One event for every backend whose state differs. Rows that nothing happened to are the same objects and cost nothing. */
export function transitions(before: readonly DesiredVip[], after: readonly DesiredVip[], now: number): Event[] {
  const known = new Set(before);
  const changed = after.filter((row) => !known.has(row));
  if (changed.length === 0) return [];
  const last = new Map(before.map((row) => [row.key, row]));
  return changed.flatMap((row) => changesOf(last.get(row.key), row, now));
}

function changesOf(before: DesiredVip | undefined, after: DesiredVip, now: number): Event[] {
  const states = new Map(before?.backends.map((backend) => [backendKey(backend), backend.state]));
  return after.backends.flatMap((backend) => {
    const key = backendKey(backend);
    // A service that is new says enough by itself.
    if (before === undefined || states.get(key) === backend.state) return [];
    return [{ at: now, kind: 'backend', vip: after.key, backend: key, text: `${backend.state}: ${backend.reason}` }];
  });
}
