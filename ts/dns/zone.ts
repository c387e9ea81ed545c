import { rrType } from './codes.js';
import { type NameKey, nameKey, parent } from './name.js';
import { type RecordData, RecordSet } from './record.js';

/**
 * `authority`: what it does not hold does not exist. `overlay`: it only knows some names better than others do; the
 * rest is asked elsewhere.
 */
export type ZoneKind = 'authority' | 'overlay';

export interface ZoneOptions {
  readonly apex: NameKey;
  readonly kind: ZoneKind;
  /** Of the zone's records, seconds. */
  readonly ttl: number;
  /** Answers as Mesos-DNS gives them where it differs from the RFCs: see answer.ts. Default false. */
  readonly parity?: boolean;
  /** Every name below the apex has the apex's records, as below `localhost` (RFC 6761 §6.3). Default false. */
  readonly uniform?: boolean;
  /** Who is responsible for it, and for how long what he says holds; default as below `spartan`. */
  readonly authority?: Authority;
  /** Where its records come from, for people. */
  readonly origin: string;
}

/** Of its SOA and NS records. */
export interface Authority {
  readonly nameServer: NameKey;
  readonly mailbox: NameKey;
  /** Seconds. */
  readonly retry: number;
  /** How long it holds that a name does not exist, seconds. */
  readonly minimum: number;
  /** Seconds. */
  readonly soaTtl: number;
}

interface Node {
  sets: ReadonlyMap<number, RecordSet>;
  /** Names below it that have records: with one it exists, even without records of its own (RFC 8020). */
  below: number;
}

const noSets: ReadonlyMap<number, RecordSet> = new Map();

const nameServerTtl = 3600;
const times = { refresh: 60, expire: 86_400 };
/** Short: a name that does not exist yet may exist a moment later. Seconds. */
const usual: Authority = {
  nameServer: nameKey('ns.spartan'),
  mailbox: nameKey('hostmaster.spartan'),
  retry: 180,
  minimum: 1,
  soaTtl: 5,
};

/** Names and their records below one apex, in memory. */
export class Zone {
  readonly apex: NameKey;
  readonly kind: ZoneKind;
  readonly ttl: number;
  readonly parity: boolean;
  readonly uniform: boolean;
  readonly origin: string;
  /** False until it has been filled: before that nobody can say what does not exist. */
  ready = false;
  /** Whether what it does not hold does not exist; else somebody who could know of more has not spoken yet. */
  complete = true;
  readonly #nodes = new Map<NameKey, Node>();
  #serial = Math.floor(Date.now() / 1000);
  #soa: RecordSet | undefined;
  readonly #ns: RecordSet;
  readonly #authority: Authority;
  #records = 0;

  constructor({ apex, kind, ttl, parity = false, uniform = false, authority = usual, origin }: ZoneOptions) {
    this.apex = apex;
    this.kind = kind;
    this.ttl = ttl;
    this.parity = parity;
    this.uniform = uniform;
    this.origin = origin;
    this.#authority = authority;
    this.#ns = new RecordSet(rrType.NS, nameServerTtl, [{ type: rrType.NS, target: authority.nameServer }]);
  }

  get serial(): number {
    return this.#serial;
  }

  /** Names that have records, the apex not counted for its SOA. */
  get size(): number {
    return this.#nodes.size;
  }

  get records(): number {
    return this.#records;
  }

  /** Replaces all records of a name; none removes it. The name must be inside the zone. */
  set(key: NameKey, records: readonly RecordData[]): void {
    const sets = records.length === 0 ? noSets : this.#setsOf(records);
    const node = this.#nodes.get(key);
    const before = node?.sets ?? noSets;
    this.#records += count(sets) - count(before);
    this.#put(key, node, sets, node?.below ?? 0);
    if (before.size > 0 !== sets.size > 0) this.#countAbove(key, before.size > 0 ? -1 : 1);
    this.#serial = (this.#serial + 1) >>> 0;
    this.#soa = undefined;
  }

  /** The record sets of a name by type; empty when it exists without any; undefined when it does not exist. */
  find(key: NameKey): ReadonlyMap<number, RecordSet> | undefined {
    const own = this.#nodes.get(key)?.sets ?? (key === this.apex ? noSets : undefined);
    return own === undefined && this.uniform ? this.find(this.apex) : own;
  }

  /** Its start of authority; in a negative answer as well. */
  soa(): RecordSet {
    const { nameServer, mailbox, retry, minimum, soaTtl } = this.#authority;
    const names = { mname: nameServer, rname: mailbox };
    this.#soa ??= new RecordSet(rrType.SOA, soaTtl, [
      { type: rrType.SOA, ...names, serial: this.#serial, ...times, retry, minimum },
    ]);
    return this.#soa;
  }

  ns(): RecordSet {
    return this.#ns;
  }

  /** Every name with records. */
  *entries(): Generator<readonly [NameKey, ReadonlyMap<number, RecordSet>]> {
    for (const [key, { sets }] of this.#nodes) if (sets.size > 0) yield [key, sets];
  }

  #setsOf(records: readonly RecordData[]): ReadonlyMap<number, RecordSet> {
    const [only] = records;
    if (only !== undefined && records.length === 1)
      return new Map().set(only.type, new RecordSet(only.type, this.ttl, records));
    const byType = new Map<number, RecordData[]>();
    for (const record of records) {
      const same = byType.get(record.type);
      if (same === undefined) byType.set(record.type, [record]);
      else same.push(record);
    }
    return new Map([...byType].map(([type, some]) => [type, new RecordSet(type, this.ttl, some)]));
  }

  #put(key: NameKey, node: Node | undefined, sets: ReadonlyMap<number, RecordSet>, below: number): void {
    if (sets.size === 0 && below === 0) this.#nodes.delete(key);
    else if (node === undefined) this.#nodes.set(key, { sets, below });
    else {
      node.sets = sets;
      node.below = below;
    }
  }

  #countAbove(key: NameKey, step: 1 | -1): void {
    for (let above = key; above !== this.apex && above !== ''; ) {
      above = parent(above);
      const node = this.#nodes.get(above);
      this.#put(above, node, node?.sets ?? noSets, (node?.below ?? 0) + step);
    }
  }
}

function count(sets: ReadonlyMap<number, RecordSet>): number {
  let sum = 0;
  for (const set of sets.values()) sum += set.records.length;
  return sum;
}
