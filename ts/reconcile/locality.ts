import type { Locality } from '../model/policy.js';
import type { BackendDefinition } from '../model/service.js';
import type { Place } from './rotation.js';

/** Where this node is. */
export interface Here {
  /** Absent when nobody said: then no backend is in its zone. */
  readonly zone?: string | undefined;
  /** Its own addresses. */
  readonly addresses: ReadonlySet<string>;
}

export interface Located {
  readonly backend: BackendDefinition;
  readonly place: Place;
}

/** 0 on this node, 1 in its zone, 2 anywhere else. */
type Distance = 0 | 1 | 2;

const WIDEST: Distance = 2;

/**
 * Pure: the places of a service's backends when it prefers those that are near. The nearest circle that is usable to the
 * share the service asks for takes the new connections; what is active farther away stands by with weight 0, so that its
 * established connections go on.
 */
export function nearest({ prefer, spillover }: Locality, all: readonly Located[], here: Here): readonly Place[] {
  const distances = all.map(({ backend }) => distance(backend, here));
  const circles = (prefer === 'node' ? [0, 1] : [1]) as readonly Distance[];
  const tallies = circles.map((circle) => tally(all, distances, circle));
  const chosen = tallies.find(({ usable, total }) => usable > 0 && usable * 100 >= spillover * total);
  const limit = chosen?.circle ?? WIDEST;
  return all.map(({ place }, i) => {
    if (place.state !== 'active' || distances[i]! <= limit || chosen === undefined) return place;
    const where = limit === 0 ? 'on this node' : `in zone ${here.zone ?? '-'}`;
    const reason = `farther away; ${chosen.usable} of ${chosen.total} ${where} are usable`;
    return { state: 'standby', reason, forwarded: place.forwarded && { ...place.forwarded, weight: 0 } };
  });
}

function distance({ address, zone }: BackendDefinition, here: Here): Distance {
  if (here.addresses.has(address)) return 0;
  return zone !== undefined && zone === here.zone ? 1 : WIDEST;
}

/** Of the backends within a circle, how many ought to take connections, and how many can. */
function tally(all: readonly Located[], distances: readonly Distance[], circle: Distance) {
  const within = all.filter(({ place }, i) => distances[i]! <= circle && place.state !== 'draining');
  return { circle, total: within.length, usable: within.filter(({ place }) => place.state === 'active').length };
}
