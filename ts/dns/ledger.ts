import type { NameKey } from './name.js';
import { type RecordData, recordText } from './record.js';
import type { Zone } from './zone.js';

/** One record under one name. */
export interface Entry {
  readonly name: NameKey;
  readonly data: RecordData;
}

interface Claimed {
  readonly data: RecordData;
  /** Who stands for it; more than one when two say the same. */
  readonly owners: Set<string>;
}

/**
 * Who gives which records to a zone. Several owners may say the same record: it stays until the last one takes it back.
 * The records of a name are in the order of their text, whatever the order they came in, so that every node has the same.
 */
export class Ledger {
  readonly #byOwner = new Map<string, readonly Entry[]>();
  readonly #byName = new Map<NameKey, Map<string, Claimed>>();
  readonly #changed = new Set<NameKey>();
  #depth = 0;

  constructor(readonly zone: Zone) {}

  /** All that this owner says from now on. @param owner for people: `task x of framework y` */
  set(owner: string, entries: readonly Entry[]): void {
    this.together(() => {
      this.#withdraw(owner);
      for (const { name, data } of entries) this.#claim(owner, name, data);
      if (entries.length > 0) this.#byOwner.set(owner, entries);
    });
  }

  delete(owner: string): void {
    this.together(() => this.#withdraw(owner));
  }

  /** Changes many owners; every name is published once at the end, however many of them have a say in it. */
  together(change: () => void): void {
    this.#depth += 1;
    try {
      change();
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#publish();
    }
  }

  knows(owner: string): boolean {
    return this.#byOwner.has(owner);
  }

  entriesOf(owner: string): readonly Entry[] {
    return this.#byOwner.get(owner) ?? [];
  }

  /** Who gave a record, in the order they came. */
  ownersOf(name: NameKey, data: RecordData): readonly string[] {
    const records = this.#byName.get(this.zone.uniform ? this.zone.apex : name);
    return [...(records?.get(recordText(data))?.owners ?? [])];
  }

  #claim(owner: string, name: NameKey, data: RecordData): void {
    const records = this.#byName.get(name) ?? new Map<string, Claimed>();
    this.#byName.set(name, records);
    const text = recordText(data);
    const claimed = records.get(text);
    if (claimed === undefined) records.set(text, { data, owners: new Set([owner]) });
    else claimed.owners.add(owner);
    this.#changed.add(name);
  }

  #withdraw(owner: string): void {
    for (const { name, data } of this.#byOwner.get(owner) ?? []) {
      const records = this.#byName.get(name);
      const text = recordText(data);
      const claimed = records?.get(text);
      claimed?.owners.delete(owner);
      if (claimed?.owners.size === 0) records?.delete(text);
      if (records?.size === 0) this.#byName.delete(name);
      this.#changed.add(name);
    }
    this.#byOwner.delete(owner);
  }

  #publish(): void {
    for (const name of this.#changed) this.zone.set(name, inOrder(this.#byName.get(name)));
    this.#changed.clear();
  }
}

function inOrder(records: ReadonlyMap<string, Claimed> | undefined): readonly RecordData[] {
  if (records === undefined) return [];
  if (records.size === 1) return [...records.values()].map(({ data }) => data);
  return [...records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { data }]) => data);
}
