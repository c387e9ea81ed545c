import type { Ejection } from '../model/verdict.js';
import type { Place } from './rotation.js';

export interface Judged {
  readonly place: Place;
  /** undefined for one whose connections do not fail. */
  readonly ejection: Ejection | undefined;
}

/**
 * Pure: the places of a service's backends when those that fail are left alone. They take no new connections and keep what
 * they have. At most a share of those that would serve goes, and never the last: bad backends are better than none.
 * @param maxPercent 0–100, of the backends that would serve; who failed first goes first
 */
export function ejected(maxPercent: number, all: readonly Judged[]): readonly Place[] {
  const serving = all.filter(({ place }) => place.state === 'active');
  const most = Math.min(Math.floor((serving.length * maxPercent) / 100), serving.length - 1);
  const failing = serving.filter(({ ejection }) => ejection !== undefined);
  const first = failing.toSorted((a, b) => a.ejection!.since - b.ejection!.since).slice(0, Math.max(0, most));
  const going = new Set(first);
  return all.map((one) => {
    const { place, ejection } = one;
    if (ejection === undefined || place.state !== 'active') return place;
    return going.has(one) ? leftAlone(place, ejection) : { ...place, reason: keptReason(ejection, maxPercent) };
  });
}

function leftAlone({ forwarded }: Place, { until, times, cause }: Ejection): Place {
  const again = times > 1 ? `, time ${times}` : '';
  const reason = `${cause}; left alone until ${new Date(until).toISOString().slice(11, 19)} UTC${again}`;
  return { state: 'ejected', reason, forwarded: forwarded && { ...forwarded, weight: 0 } };
}

function keptReason({ cause }: Ejection, maxPercent: number): string {
  return `${cause}; serves all the same: at most ${maxPercent} % of a service are left alone, and never the last`;
}
