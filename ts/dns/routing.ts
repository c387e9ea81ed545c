import { isWithin, type NameKey, nameText, parent } from './name.js';
import type { Zone } from './zone.js';

/** Where names below a suffix are answered. */
export type Route =
  | { readonly to: 'zone'; readonly zone: Zone }
  /** The same names under another suffix. */
  | { readonly to: 'alias'; readonly suffix: NameKey }
  /** The servers of a group; `default` for those of the rest of the world. */
  | { readonly to: 'servers'; readonly group: string };

/** What was replaced by what at the end of a name. */
export interface Alias {
  readonly asked: NameKey;
  readonly known: NameKey;
}

/** What a name is, once all aliases are followed. */
export interface Routed {
  readonly to: Exclude<Route, { to: 'alias' }>;
  /** The name under which it is known there. */
  readonly key: NameKey;
  /** When it was asked by another name. */
  readonly alias?: Alias;
}

export const defaultGroup = 'default';
const toDefault = { to: 'servers', group: defaultGroup } as const;

const aliasLimit = 4;
/** Names whose way is kept, at most. */
const remembered = 16_384;

/** Which suffix is answered where; the longest that fits wins. */
export class Routing {
  readonly #routes = new Map<NameKey, Route>();
  /** Lengths that suffixes have; most names need a look at two or three of their own suffixes only. */
  readonly #lengths = new Set<number>();
  /** Where names were found to be answered; suffixes hardly ever change. */
  readonly #found = new Map<NameKey, Routed>();

  set(suffix: NameKey, route: Route): void {
    this.#found.clear();
    this.#routes.set(suffix, route);
    this.#lengths.add(suffix.length);
  }

  *entries(): Generator<readonly [NameKey, Route]> {
    yield* this.#routes;
  }

  /** Zones that are answered here, in the order of their names. */
  zones(): Zone[] {
    const zones = [...this.#routes.values()].flatMap((route) => (route.to === 'zone' ? [route.zone] : []));
    return zones.sort((a, b) => (nameText(a.apex) < nameText(b.apex) ? -1 : 1));
  }

  find(key: NameKey): Routed {
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    if (this.#found.size >= remembered) this.#found.clear();
    const routed = this.#search(key);
    this.#found.set(key, routed);
    return routed;
  }

  #search(key: NameKey): Routed {
    let known = key;
    let alias: Alias | undefined;
    for (let hops = 0; hops < aliasLimit; hops++) {
      const found = this.#longest(known);
      if (found === undefined) break;
      const [suffix, route] = found;
      if (route.to !== 'alias')
        return alias === undefined ? { to: route, key: known } : { to: route, key: known, alias };
      known = known.slice(0, known.length - suffix.length) + route.suffix;
      alias = aliasBetween(key, known);
    }
    return { to: toDefault, key };
  }

  /** Where a name goes that an overlay zone does not hold: as if the zone were not there. */
  beyond(zone: Zone): Routed['to'] {
    for (let suffix = zone.apex; suffix !== ''; ) {
      suffix = parent(suffix);
      const route = this.#routes.get(suffix);
      if (route?.to === 'servers' || (route?.to === 'zone' && route.zone.kind === 'authority')) return route;
    }
    return toDefault;
  }

  #longest(key: NameKey): readonly [NameKey, Route] | undefined {
    for (let suffix = key; ; suffix = parent(suffix)) {
      const route = this.#lengths.has(suffix.length) ? this.#routes.get(suffix) : undefined;
      if (route !== undefined) return [suffix, route];
      if (suffix === '') return undefined;
    }
  }
}

/** The shortest suffixes that differ. */
function aliasBetween(asked: NameKey, known: NameKey): Alias {
  let [a, b] = [asked, known];
  while (a !== '' && b !== '' && a.slice(0, 1 + a.charCodeAt(0)) === b.slice(0, 1 + b.charCodeAt(0))) {
    a = parent(a);
    b = parent(b);
  }
  return { asked: a, known: b };
}

/** A name inside the answer to an aliased question, as the one who asked knows it. */
export function asAsked(key: NameKey, alias: Alias | undefined): NameKey {
  if (alias === undefined || !isWithin(key, alias.known)) return key;
  const renamed = key.slice(0, key.length - alias.known.length) + alias.asked;
  return renamed.length > 254 ? key : renamed;
}
