import { type Identity, type NodeId, nodeIdOf, type Verifier } from './identity.js';
import { type EntryMessage, entryCodec, type SignedMessage } from './wire.js';

/** An entry with everything needed to hand it on. Immutable. */
export interface Entry {
  readonly owner: NodeId;
  readonly message: EntryMessage;
  readonly signed: SignedMessage;
  /** Of what is kept of it. */
  readonly bytes: number;
}

/** Incarnation and version: which of two entries is later. */
export interface Stamp {
  readonly incarnation: number;
  readonly version: number;
}

export function isLater(a: Stamp, b: Stamp): boolean {
  return a.incarnation === b.incarnation ? a.version > b.version : a.incarnation > b.incarnation;
}

/** Longest name of a VIP in an entry, and room for the protocol and port. */
const MAX_KEY = 280;
export const MAX_ENTRY_BYTES = 512 << 10;

/** What was wrong with bytes that should have been an entry. */
export interface BadEntry {
  readonly code: 'TOO_LARGE' | 'NOT_AN_ENTRY' | 'SIGNATURE_INVALID';
  readonly cause: string;
}

/** Of one cluster: an entry signed for another one is not valid in it. */
export class EntryCodec {
  readonly #domain: Uint8Array;

  constructor(
    clusterId: string,
    private readonly verifier: Verifier,
  ) {
    this.#domain = Buffer.from(`vipd-entry-1\0${clusterId}\0`);
  }

  seal(message: EntryMessage, identity: Identity): Entry {
    const entry = entryCodec.encode(message);
    const signature = identity.sign(Buffer.concat([this.#domain, entry]));
    return { owner: identity.id, message, signed: { entry, signature }, bytes: entry.length + signature.length };
  }

  /** Checks form and size, not yet the signature. */
  read(signed: SignedMessage): Entry | BadEntry {
    // In memory of their own: what arrives is a view of a whole message, which would be kept, and cloned, with it.
    const [entry, signature] = [new Uint8Array(signed.entry), new Uint8Array(signed.signature)];
    if (entry.length > MAX_ENTRY_BYTES) {
      return { code: 'TOO_LARGE', cause: `an entry of ${entry.length} bytes, ${MAX_ENTRY_BYTES} are allowed` };
    }
    const message = decoded(entry);
    if (typeof message === 'string') return malformed(message);
    return {
      owner: nodeIdOf(message.owner),
      message,
      signed: { entry, signature },
      bytes: entry.length + signature.length,
    };
  }

  /** What is wrong with the signature, if anything is. */
  verify({ message, signed: { entry, signature } }: Entry): BadEntry | undefined {
    if (this.verifier.valid(message.owner, Buffer.concat([this.#domain, entry]), signature)) return undefined;
    return { code: 'SIGNATURE_INVALID', cause: 'an entry that its owner has not signed for this cluster' };
  }
}

export function isBad(entry: Entry | BadEntry): entry is BadEntry {
  return 'code' in entry;
}

function decoded(bytes: Uint8Array): EntryMessage | string {
  try {
    const message = entryCodec.decode(bytes);
    if (message.key.length > MAX_KEY) return `a key of ${message.key.length} characters`;
    if (message.key === '' && !message.node) return 'an entry about a node without the node';
    return message;
  } catch (error) {
    return (error as Error).message;
  }
}

function malformed(cause: string): BadEntry {
  return { code: 'NOT_AN_ENTRY', cause };
}
