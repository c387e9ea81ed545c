import type { Item } from './answer.js';
import { rrType } from './codes.js';
import { lowerCase, NAME_MAX, type NameKey } from './name.js';
import { type RawData, RecordSet } from './record.js';
import type { Reply } from './reply.js';
import { type Alias, asAsked } from './routing.js';

/** Where names are in the data of a type, if others may point into them (RFC 3597 §4): bytes before them, and how many. */
const namesIn: ReadonlyMap<number, { readonly before: number; readonly names: number }> = new Map([
  [rrType.NS, { before: 0, names: 1 }],
  [rrType.CNAME, { before: 0, names: 1 }],
  [rrType.PTR, { before: 0, names: 1 }],
  [rrType.DNAME, { before: 0, names: 1 }],
  [rrType.MX, { before: 2, names: 1 }],
  [rrType.SRV, { before: 6, names: 1 }],
  [rrType.SOA, { before: 0, names: 2 }],
]);

/** A record of a reply by itself: its names whole, so that it can stand in another message. */
export interface LooseRecord {
  readonly owner: NameKey;
  readonly ttl: number;
  readonly data: RawData;
}

/**
 * The records of a section, 0 answer, 1 authority, 2 additional; undefined when a name in them goes astray.
 * @param alias names below it, inside the data, are those that were asked by
 */
export function looseRecords(reply: Reply, section: 0 | 1 | 2, alias?: Alias): LooseRecord[] | undefined {
  const first = reply.counts.slice(0, section).reduce((sum, count) => sum + count, 0);
  const records: LooseRecord[] = [];
  for (let i = first; i < first + reply.counts[section]; i++) {
    const record = looseRecord(reply, i, alias);
    if (record === undefined) return undefined;
    records.push(record);
  }
  return records;
}

/** Each as a set of its own, ready for an answer. @param age seconds by which their time has run down */
export function itemsOf(records: readonly LooseRecord[], age: number): Item[] {
  return records.map(({ owner, ttl, data }) => ({
    owner,
    set: new RecordSet(data.type, Math.max(0, ttl - age), [data]),
  }));
}

function looseRecord({ bytes, starts, ttls }: Reply, i: number, alias: Alias | undefined): LooseRecord | undefined {
  const owner = wholeName(bytes, starts[i]!);
  const fixed = ttls[i]! - 4;
  const type = bytes.readUInt16BE(fixed);
  const begin = fixed + 10;
  const raw = wholeData(bytes, { type, begin, end: begin + bytes.readUInt16BE(fixed + 8) }, alias);
  if (owner === undefined || raw === undefined) return undefined;
  return {
    owner: lowerCase(owner.key),
    ttl: bytes.readUInt32BE(fixed + 4),
    data: { type, raw },
  };
}

interface Place {
  readonly type: number;
  readonly begin: number;
  readonly end: number;
}

function wholeData(bytes: Buffer, { type, begin, end }: Place, alias: Alias | undefined): Buffer | undefined {
  const layout = namesIn.get(type);
  if (layout === undefined) return Buffer.from(bytes.subarray(begin, end));
  const parts = [bytes.subarray(begin, begin + layout.before)];
  let at = begin + layout.before;
  for (let i = 0; i < layout.names; i++) {
    const name = wholeName(bytes, at);
    if (name === undefined || name.end > end) return undefined;
    parts.push(Buffer.from(`${renamed(name.key, alias)}\0`, 'latin1'));
    at = name.end;
  }
  return Buffer.concat([...parts, bytes.subarray(at, end)]);
}

/** The letters are left as they are unless it is another name of one that was asked for. */
function renamed(name: string, alias: Alias | undefined): string {
  if (alias === undefined) return name;
  const lower = lowerCase(name);
  const asked = asAsked(lower, alias);
  return asked === lower ? name : asked;
}

/** Follows pointers, each of which must lead further back; the letters are left as they are. */
function wholeName(bytes: Buffer, start: number): { readonly key: string; readonly end: number } | undefined {
  let key = '';
  let end = -1;
  for (let at = start, limit = start; at < bytes.length && key.length < NAME_MAX; ) {
    const length = bytes[at]!;
    if (length === 0) return { key, end: end < 0 ? at + 1 : end };
    if (length >= 0xc0) {
      if (end < 0) end = at + 2;
      const target = ((length & 0x3f) << 8) | (bytes[at + 1] ?? 0xff);
      if (target >= limit) return undefined;
      limit = target;
      at = target;
    } else {
      if (length > 63) return undefined;
      key += bytes.toString('latin1', at, at + 1 + length);
      at += 1 + length;
    }
  }
  return undefined;
}
