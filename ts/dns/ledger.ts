import type { NameKey } from './name.js';
import { type RecordData, recordText } from './record.js';
import type { Zone } from './zone.js';

/** One record under one name. */
export interface Entry {
  readonly name: NameKey;
  readonly data: RecordData;
}

/** A record of a name, and who stands for it: nearly always one, more when several say the same; nobody any more. */
class Claim implements Entry {
  #owner: string | undefined;
  #others: Set<string> | undefined;

  constructor(
    readonly name: NameKey,
    readonly data: RecordData,
    readonly text: string,
  ) {}

  get owners(): readonly string[] {
    return this.#owner === undefined ? [] : [this.#owner, ...(this.#others ?? [])];
  }

  get void(): boolean {
    return this.#owner === undefined;
  }

  /** @returns false when it is his already */
  add(owner: string): boolean {
    if (owner === this.#owner || this.#others?.has(owner)) return false;
    if (this.#owner === undefined) this.#owner = owner;
    else {
      this.#others ??= new Set();
      this.#others.add(owner);
    }
    return true;
  }

  drop(owner: string): void {
    if (owner !== this.#owner) {
      this.#others?.delete(owner);
      return;
    }
    const [next] = this.#others ?? [];
    this.#owner = next;
    if (next !== undefined) this.#others!.delete(next);
  }
}

/**
 * Who gives which records to a zone. Several owners may say the same record: it stays until the last one takes it back.
 * The records of a name are in the order of their text, whatever the order they came in, so that every node has the same.
 */
export class Ledger {
  readonly #byOwner = new Map<string, readonly Claim[]>();
  /** The claim of a name, or by their text where it has had several. Void ones are cleared away when their name is published. */
  readonly #byName = new Map<NameKey, Claim | Map<string, Claim>>();
  readonly #changed = new Set<NameKey>();
  #depth = 0;

  constructor(readonly zone: Zone) {}

  /** All that this owner says from now on. @param owner for people: `task x of framework y` */
  set(owner: string, entries: readonly Entry[]): void {
    this.together(() => {
      this.#withdraw(owner);
      const claims: Claim[] = [];
      for (const entry of entries) {
        const claim = this.#claim(entry);
        if (claim.add(owner)) claims.push(claim);
        this.#changed.add(entry.name);
      }
      if (claims.length > 0) this.#byOwner.set(owner, claims);
      else this.#byOwner.delete(owner);
    });
  }

  delete(owner: string): void {
    this.together(() => {
      this.#withdraw(owner);
      this.#byOwner.delete(owner);
    });
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
    const known = this.#byName.get(this.zone.uniform ? this.zone.apex : name);
    const text = recordText(data);
    const claim = known instanceof Claim ? known : known?.get(text);
    return claim?.text === text ? claim.owners : [];
  }

  #claim({ name, data }: Entry): Claim {
    const known = this.#byName.get(name);
    const text = recordText(data);
    if (known instanceof Map) {
      const same = known.get(text) ?? new Claim(name, data, text);
      known.set(text, same);
      return same;
    }
    if (known?.text === text) return known;
    const claim = new Claim(name, data, text);
    const alone = known === undefined || known.void;
    this.#byName.set(name, alone ? claim : new Map([known, claim].map((one) => [one.text, one])));
    return claim;
  }

  #withdraw(owner: string): void {
    for (const claim of this.#byOwner.get(owner) ?? []) {
      claim.drop(owner);
      this.#changed.add(claim.name);
    }
  }

  #publish(): void {
    for (const name of this.#changed) this.zone.set(name, this.#recordsOf(name));
    this.#changed.clear();
  }

  #recordsOf(name: NameKey): readonly RecordData[] {
    const known = this.#byName.get(name);
    if (known instanceof Map) {
      for (const [text, claim] of known) if (claim.void) known.delete(text);
      if (known.size === 0) this.#byName.delete(name);
      return [...known.values()].sort((a, b) => (a.text < b.text ? -1 : 1)).map(({ data }) => data);
    }
    if (known?.void === false) return [known.data];
    this.#byName.delete(name);
    return [];
  }
}
