import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';

/** Of an ed25519 key: how libp2p writes it, `12D3Koo…`. */
export type NodeId = string;

/** DER in front of the 32 bytes of a key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
/** Multihash `identity` of a protobuf of key type ed25519 and 32 bytes (libp2p peer ids). */
const PEER_ID = Buffer.from('002408011220', 'hex');
const KEY_BYTES = 32;

/** Of those something is kept for. */
const MAX_KEYS = 16_384;

/** The key pair of a node. */
export class Identity {
  readonly id: NodeId;
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  /** @param seed 32 bytes */
  constructor(readonly seed: Uint8Array) {
    this.#privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' });
    this.publicKey = new Uint8Array(spki.subarray(SPKI.length));
    this.id = nodeIdOf(this.publicKey);
  }

  static random(): Identity {
    return new Identity(randomBytes(KEY_BYTES));
  }

  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#privateKey);
  }
}

/** Both kept, since base 58 is slow and the keys of a cluster are few. */
const ids = new Map<string, NodeId>();
const publicKeys = new Map<NodeId, Uint8Array>();

export function nodeIdOf(publicKey: Uint8Array): NodeId {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1');
  const known = ids.get(name);
  if (known !== undefined) return known;
  const id = base58btc.baseEncode(Buffer.concat([PEER_ID, publicKey]));
  if (ids.size >= MAX_KEYS) ids.clear();
  ids.set(name, id);
  return id;
}

/** undefined for a text that is no id of an ed25519 key. Not to be changed. */
export function publicKeyOf(id: NodeId): Uint8Array | undefined {
  const known = publicKeys.get(id);
  if (known) return known;
  try {
    const bytes = base58btc.baseDecode(id);
    const isKey = bytes.length === PEER_ID.length + KEY_BYTES && PEER_ID.every((byte, i) => byte === bytes[i]);
    if (!isKey) return undefined;
    if (publicKeys.size >= MAX_KEYS) publicKeys.clear();
    const key = bytes.subarray(PEER_ID.length);
    publicKeys.set(id, key);
    return key;
  } catch {
    return undefined;
  }
}

/** Checks signatures; keeps what the system makes of a key. */
export class Verifier {
  readonly #keys = new Map<string, KeyObject>();

  valid(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== KEY_BYTES) return false;
    try {
      return verify(null, bytes, this.#keyOf(publicKey), signature);
    } catch {
      return false; // no point on the curve
    }
  }

  #keyOf(publicKey: Uint8Array): KeyObject {
    const name = Buffer.from(publicKey).toString('base64');
    const known = this.#keys.get(name);
    if (known) return known;
    const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    this.#keys.set(name, key);
    return key;
  }
}
