import { rcode, rrType } from './codes.js';
import { type NameKey, withoutStars } from './name.js';
import type { RecordSet } from './record.js';
import { type Alias, asAsked, type Routed, type Routing } from './routing.js';
import type { Zone } from './zone.js';

/** A record set under its name in a section of an answer. */
export interface Item {
  readonly owner: NameKey;
  readonly set: RecordSet;
}

/** What this node itself says to a question. */
export interface Answer {
  readonly rcode: number;
  readonly answer: readonly Item[];
  readonly authority: readonly Item[];
  readonly additional: readonly Item[];
  readonly alias?: Alias | undefined;
  /** The answer ends in a CNAME whose target others know. */
  readonly rest?: { readonly key: NameKey; readonly group: string };
}

/** `elsewhere`: others know. `unready`: the zone is not filled yet, so that it cannot be said that a name does not exist. */
export type Found =
  | { readonly kind: 'answer'; readonly answer: Answer; readonly zone: Zone }
  | { readonly kind: 'elsewhere'; readonly key: NameKey; readonly group: string; readonly alias?: Alias | undefined }
  | { readonly kind: 'unready'; readonly zone: Zone };

/** Longer chains are cut; nobody means them (RFC 1034 §3.6.2). */
const chainLimit = 8;

const nothing: Answer = { rcode: rcode.NOERROR, answer: [], authority: [], additional: [] };
const failed: Answer = { ...nothing, rcode: rcode.SERVFAIL };

/** What the zones of this node have to say about a name. Pure. */
export function answerFor(routing: Routing, key: NameKey, type: number, depth = 0): Found {
  const routed = routing.find(key);
  if (routed.to.to === 'servers')
    return { kind: 'elsewhere', key: routed.key, group: routed.to.group, ...aliasOf(routed) };
  const { zone } = routed.to;
  if (!zone.ready) return { kind: 'unready', zone };
  const sets = zone.find(routed.key);
  if (sets === undefined && zone.kind === 'overlay') return beyond(routing, zone, routed, type, depth);
  if (sets === undefined && !zone.complete) return { kind: 'unready', zone };
  return { kind: 'answer', zone, answer: { ...inZone(routing, zone, routed.key, type, depth), ...aliasOf(routed) } };
}

function aliasOf({ alias }: Routed): { alias?: Alias } {
  return alias === undefined ? {} : { alias };
}

function beyond(routing: Routing, zone: Zone, routed: Routed, type: number, depth: number): Found {
  const next = routing.beyond(zone);
  if (next.to === 'servers') return { kind: 'elsewhere', key: routed.key, group: next.group, ...aliasOf(routed) };
  if (!next.zone.ready) return { kind: 'unready', zone: next.zone };
  return { kind: 'answer', zone: next.zone, answer: inZone(routing, next.zone, routed.key, type, depth) };
}

function inZone(routing: Routing, zone: Zone, key: NameKey, type: number, depth: number): Answer {
  const sets = zone.find(zone.parity ? withoutStars(key) : key);
  if (key === zone.apex && type === rrType.SOA) return about(zone, [zone.soa()], zone.parity);
  if (key === zone.apex && type === rrType.NS) return about(zone, [zone.ns()], zone.parity);
  if (zone.parity && (type === rrType.SOA || type === rrType.NS)) {
    return about(zone, [type === rrType.SOA ? zone.soa() : zone.ns()], true);
  }
  if (sets === undefined || (zone.parity && sets.size === 0)) return missing(zone, type);
  const alias = type === rrType.CNAME || sets.has(type) ? undefined : sets.get(rrType.CNAME);
  if (alias !== undefined && type !== rrType.ANY) return chased(routing, key, alias, type, depth);
  const set = type === rrType.ANY ? anyOf(zone, key, sets) : sets.get(type);
  if (set === undefined) return empty(rcode.NOERROR, zone);
  return { ...nothing, answer: [{ owner: key, set }], additional: targets(routing, set) };
}

/** The zone's own records: in the answer, as it should be, or where Mesos-DNS puts them. */
function about(zone: Zone, sets: readonly RecordSet[], inAuthority: boolean): Answer {
  const items = sets.map((set) => ({ owner: zone.apex, set }));
  const [answer, authority] = inAuthority ? [[], items] : [items, []];
  return { ...nothing, answer, authority };
}

/** Mesos-DNS has no NXDOMAIN for services, and nothing at all in the answer. */
function missing(zone: Zone, type: number): Answer {
  if (zone.parity && type === rrType.SRV) return nothing;
  return empty(rcode.NXDOMAIN, zone);
}

/** The SOA says how long to believe it (RFC 2308 §3). */
function empty(code: number, zone: Zone): Answer {
  return { ...nothing, rcode: code, authority: [{ owner: zone.apex, set: zone.soa() }] };
}

/** One set is enough, and safer (RFC 8482 §4.1): addresses if there are, since that is what a watchdog wants. */
function anyOf(zone: Zone, key: NameKey, sets: ReadonlyMap<number, RecordSet>): RecordSet | undefined {
  return (
    sets.get(rrType.A) ?? sets.get(rrType.AAAA) ?? [...sets.values()][0] ?? (key === zone.apex ? zone.soa() : undefined)
  );
}

/** Follows a CNAME through the zones of this node; the CNAMEs come first, in their order. */
function chased(routing: Routing, owner: NameKey, set: RecordSet, type: number, depth: number): Answer {
  const first = { owner, set };
  const data = set.records[0];
  if (data === undefined || !('target' in data) || depth > chainLimit) return failed;
  const next = answerFor(routing, data.target, type, depth + 1);
  if (next.kind === 'unready') return failed;
  if (next.kind === 'elsewhere') {
    return { ...nothing, answer: [first], rest: { key: next.key, group: next.group } };
  }
  const { alias, ...rest } = next.answer;
  const followed = rest.answer.map((item) => ({ owner: asAsked(item.owner, alias), set: item.set }));
  return { ...rest, answer: [first, ...followed] };
}

/** The addresses of services, so that nobody has to ask again. */
function targets(routing: Routing, set: RecordSet): Item[] {
  if (set.type !== rrType.SRV) return [];
  const names = new Set(set.records.flatMap((record) => ('target' in record ? [record.target] : [])));
  return [...names].flatMap((owner) => addressesOf(routing, owner));
}

function addressesOf(routing: Routing, owner: NameKey): Item[] {
  const { to, key } = routing.find(owner);
  const sets = to.to === 'zone' ? to.zone.find(key) : undefined;
  return [rrType.A, rrType.AAAA].flatMap((type) => {
    const set = sets?.get(type);
    return set === undefined ? [] : [{ owner, set }];
  });
}
