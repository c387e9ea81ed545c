import type { Entry, EntryCodec } from './entry.js';
import type { Identity } from './identity.js';
import { type NodeMessage, schemaVersion, type VipMessage } from './wire.js';

/** What this node says of VIPs, by key, in canonical form. */
export type Publication = ReadonlyMap<string, VipMessage>;

/** Marks of what is gone that are kept before everything is said anew without them. */
const MAX_MARKS = 256;

interface Said {
  /** undefined: a mark that it is gone. */
  readonly vip: VipMessage | undefined;
  readonly version: number;
}

/** What this node has said, and what it must say now: one entry for each change, numbered without gaps in between. */
export class OwnEntries {
  readonly #said = new Map<string, Said>();
  #version = 0;
  #floor = 0;

  constructor(
    private readonly identity: Identity,
    private readonly codec: EntryCodec,
    private incarnationNow: number,
  ) {}

  get incarnation(): number {
    return this.incarnationNow;
  }

  /** Of the oldest entry that counts. */
  get floor(): number {
    return this.#floor;
  }

  /** Somebody holds entries of this node from another life: from now on it speaks as a later one. */
  outlive(incarnation: number): void {
    this.incarnationNow = incarnation + 1;
    this.#said.clear();
    this.#version = 0;
    this.#floor = 0;
  }

  /** Entries for all that differs from what was said before. What is given must not be changed later. */
  vips(publication: Publication): readonly Entry[] {
    const changed = [...publication].filter(([key, vip]) => !sameVip(this.#said.get(key)?.vip, vip));
    const gone = [...this.#said].filter(([key, { vip }]) => vip !== undefined && !publication.has(key));
    const entries = [
      ...changed.map(([key, vip]) => this.#say(key, vip)),
      ...gone.map(([key]) => this.#say(key, undefined)),
    ];
    return [...entries, ...this.#compact()];
  }

  /** The entry about the node itself; what is older than everything said in this life becomes void with it. */
  node(node: Omit<NodeMessage, 'floorIncarnation' | 'floorVersion'>, everythingSaid: boolean): Entry {
    const floor = everythingSaid ? { floorIncarnation: this.incarnation, floorVersion: this.#floor } : NO_FLOOR;
    return this.#seal('', { node: { ...node, ...floor } });
  }

  /** After many marks: what is left is said anew above them, so that the floor can rise over the marks. */
  #compact(): readonly Entry[] {
    const marks = [...this.#said.values()].filter(({ vip }) => vip === undefined).length;
    if (marks <= Math.max(MAX_MARKS, this.#said.size / 2)) return [];
    this.#floor = this.#version + 1;
    const left = [...this.#said].filter(([, { vip }]) => vip !== undefined);
    this.#said.clear();
    return left.map(([key, { vip }]) => this.#say(key, vip));
  }

  #say(key: string, vip: VipMessage | undefined): Entry {
    const entry = this.#seal(key, vip ? { vip } : { gone: true });
    this.#said.set(key, { vip, version: entry.message.version });
    return entry;
  }

  #seal(key: string, content: { node: NodeMessage } | { vip: VipMessage } | { gone: true }): Entry {
    this.#version += 1;
    const head = { schema: schemaVersion, owner: this.identity.publicKey, incarnation: this.incarnation };
    return this.codec.seal({ ...head, version: this.#version, key, gone: false, ...content }, this.identity);
  }
}

const NO_FLOOR = { floorIncarnation: 0, floorVersion: 0 };

/** A reason alone is no news: it would make one of every failed check. */
function sameVip(a: VipMessage | undefined, b: VipMessage): boolean {
  return a === b || (a !== undefined && textOf(a) === textOf(b));
}

function textOf(vip: VipMessage): string {
  return JSON.stringify({ ...vip, backends: vip.backends.map(({ reason: _, ...rest }) => rest) });
}
