import { createHash } from 'node:crypto';
import { type BadEntry, type Entry, type EntryCodec, isBad, isLater, type Stamp } from './entry.js';
import type { NodeId } from './identity.js';
import type { NodeMessage, SignedMessage } from './wire.js';

/** What one replica keeps at most; what goes beyond is refused, and its owner named. */
export interface ReplicaLimits {
  readonly owners: number;
  readonly entriesPerOwner: number;
  readonly bytesPerOwner: number;
  /** Of all together; beyond it owners may still have their even share, so that one cannot push the others out. */
  readonly bytes: number;
}

export const replicaLimits: ReplicaLimits = {
  owners: 8192,
  entriesPerOwner: 16_384,
  bytesPerOwner: 16 << 20,
  bytes: 256 << 20,
};

export type Outcome =
  | { readonly kind: 'new'; readonly entry: Entry; readonly voided: readonly Entry[] }
  | { readonly kind: 'old'; readonly entry: Entry }
  | { readonly kind: 'bad'; readonly owner?: NodeId; readonly bad: BadEntry | OverLimit };

export interface OverLimit {
  readonly code: 'OVER_LIMIT';
  readonly cause: string;
}

/** All entries of one owner. */
export interface Holding {
  readonly owner: NodeId;
  readonly entries: ReadonlyMap<string, Entry>;
  /** XOR over the entries' stamps, 8 bytes: equal on two replicas that hold the same. */
  readonly hash: Uint8Array;
  /** When its newest entry about itself was said, by the steady clock of this machine. */
  readonly heard: number;
}

interface MutableHolding {
  owner: NodeId;
  entries: Map<string, Entry>;
  hash: Uint8Array;
  heard: number;
  bytes: number;
}

/**
 * What all nodes have said, the latest of each. One writer an entry, so the later of two wins and there is nothing to
 * merge. Entries below their owner's floor are void: that is how a restart replaces everything the life before said, and
 * how marks of what is gone need not be kept for ever.
 */
export class Replica {
  readonly #holdings = new Map<NodeId, MutableHolding>();
  readonly #whole = new Uint8Array(HASH_BYTES);
  #bytes = 0;

  constructor(
    private readonly codec: EntryCodec,
    readonly limits: ReplicaLimits = replicaLimits,
  ) {}

  /** @param heard when its owner spoke, by the steady clock of this machine */
  accept(signed: SignedMessage, heard: number | ((owner: NodeId) => number)): Outcome {
    const entry = this.codec.read(signed);
    if (isBad(entry)) return { kind: 'bad', bad: entry };
    return this.#admit(entry, typeof heard === 'number' ? heard : heard(entry.owner), false);
  }

  /** The same of what has been checked already, by a store, or was signed here: signatures are most of the cost. */
  acceptChecked(signed: SignedMessage, heard: number): Outcome {
    const entry = this.codec.read(signed);
    return isBad(entry) ? { kind: 'bad', bad: entry } : this.#admit(entry, heard, true);
  }

  /** Most of what arrives is here already, and not worth the check of a signature. */
  #admit(entry: Entry, heard: number, checked: boolean): Outcome {
    const { key } = entry.message;
    const holding = this.#holdings.get(entry.owner);
    const known = holding?.entries.get(key);
    if (known && !isLater(entry.message, known.message)) return { kind: 'old', entry };
    if (holding && isBelow(entry.message, floorOf(holding))) return { kind: 'old', entry };
    const forged = checked ? undefined : this.codec.verify(entry);
    if (forged) return { kind: 'bad', bad: forged };
    const over = this.#overLimit(entry, holding, known);
    if (over) return { kind: 'bad', owner: entry.owner, bad: over };
    const mine = holding ?? this.#begin(entry.owner, heard);
    this.#put(mine, entry);
    if (key !== '') return { kind: 'new', entry, voided: [] };
    mine.heard = Math.max(mine.heard, heard);
    return { kind: 'new', entry, voided: this.#sweep(mine) };
  }

  holdings(): IterableIterator<Holding> {
    return this.#holdings.values();
  }

  holding(owner: NodeId): Holding | undefined {
    return this.#holdings.get(owner);
  }

  /** Owners of whom nothing was heard since then. */
  silentSince(time: number): readonly NodeId[] {
    return [...this.#holdings.values()].filter(({ heard }) => heard < time).map(({ owner }) => owner);
  }

  /** Drops all of an owner. */
  forget(owner: NodeId): void {
    const holding = this.#holdings.get(owner);
    if (!holding) return;
    this.#bytes -= holding.bytes;
    xor(this.#whole, holding.hash);
    this.#holdings.delete(owner);
  }

  /** Equal on two replicas that hold the same entries. */
  whole(): Uint8Array {
    return this.#whole.slice();
  }

  size(): { owners: number; entries: number; bytes: number } {
    const all = [...this.#holdings.values()];
    const entries = all.reduce((total, one) => total + one.entries.size, 0);
    return { owners: all.length, entries, bytes: this.#bytes };
  }

  #begin(owner: NodeId, heard: number): MutableHolding {
    const holding = { owner, entries: new Map(), hash: new Uint8Array(HASH_BYTES), heard, bytes: 0 };
    this.#holdings.set(owner, holding);
    return holding;
  }

  #put(holding: MutableHolding, entry: Entry): void {
    this.#drop(holding, entry.message.key);
    holding.entries.set(entry.message.key, entry);
    holding.bytes += entry.bytes;
    this.#bytes += entry.bytes;
    this.#mark(holding, entry);
  }

  #drop(holding: MutableHolding, key: string): void {
    const known = holding.entries.get(key);
    if (!known) return;
    holding.entries.delete(key);
    holding.bytes -= known.bytes;
    this.#bytes -= known.bytes;
    this.#mark(holding, known);
  }

  #mark(holding: MutableHolding, entry: Entry): void {
    const mark = markOf(entry);
    xor(holding.hash, mark);
    xor(this.#whole, mark);
  }

  /** Drops what the owner's floor voids, and returns it. */
  #sweep(holding: MutableHolding): readonly Entry[] {
    const floor = floorOf(holding);
    const void_ = [...holding.entries.values()].filter(({ message }) => message.key !== '' && isBelow(message, floor));
    for (const { message } of void_) this.#drop(holding, message.key);
    return void_;
  }

  #overLimit(entry: Entry, holding: MutableHolding | undefined, known: Entry | undefined): OverLimit | undefined {
    const { owners, entriesPerOwner, bytesPerOwner, bytes: mostBytes } = this.limits;
    const over = (cause: string): OverLimit => ({ code: 'OVER_LIMIT', cause });
    if (!holding && this.#holdings.size >= owners) return over(`more than ${owners} nodes`);
    if (holding && !known && holding.entries.size >= entriesPerOwner)
      return over(`more than ${entriesPerOwner} entries of one node`);
    const more = entry.bytes - (known?.bytes ?? 0);
    const bytes = (holding?.bytes ?? 0) + more;
    if (bytes > bytesPerOwner) return over(`more than ${bytesPerOwner} bytes of one node`);
    const full = this.#bytes + more > mostBytes && bytes > mostBytes / owners;
    return full && more > 0 ? over(`more than ${mostBytes} bytes of all nodes together`) : undefined;
  }
}

export function nodeOf(holding: Holding): NodeMessage | undefined {
  return holding.entries.get('')?.message.node ?? undefined;
}

const HASH_BYTES = 8;
const NO_FLOOR: Stamp = { incarnation: 0, version: 0 };

function floorOf(holding: Holding): Stamp {
  const node = nodeOf(holding);
  return node ? { incarnation: node.floorIncarnation, version: node.floorVersion } : NO_FLOOR;
}

function isBelow(stamp: Stamp, floor: Stamp): boolean {
  return isLater(floor, stamp);
}

const marks = new WeakMap<Entry, Uint8Array>();

function markOf(entry: Entry): Uint8Array {
  let mark = marks.get(entry);
  if (!mark) {
    const { key, incarnation, version } = entry.message;
    const hash = createHash('sha1').update(`${entry.owner} ${incarnation} ${version} ${key}`).digest();
    mark = new Uint8Array(hash.subarray(0, HASH_BYTES));
    marks.set(entry, mark);
  }
  return mark;
}

function xor(into: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < HASH_BYTES; i++) into[i] = into[i]! ^ other[i]!;
}
