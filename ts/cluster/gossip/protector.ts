import { createHash } from 'node:crypto';
import type { AbortOptions, ConnectionProtector, MessageStream } from '@libp2p/interface';
import { preSharedKey } from '@libp2p/pnet';
import { byteStream } from '@libp2p/utils';
import { corked } from './corked.js';

const TAG_BYTES = 8;
const TIMEOUT_MS = 3000;

interface SharedKey {
  /** Which key it is, without telling what it is. */
  readonly tag: Uint8Array;
  readonly protector: ConnectionProtector;
}

/**
 * Lets in whoever has one of the cluster's keys: the private-network protection of libp2p, preceded by eight bytes that
 * say which key is meant, so that a key can be replaced while the cluster runs. Whoever dials begins with the first key
 * and takes the next one at the next attempt; any other eight bytes end the connection before anything is answered.
 */
export class ClusterProtector implements ConnectionProtector {
  #keys: readonly SharedKey[] = [];
  /** Where the first key was not taken, which one is tried next, by address. */
  readonly #next = new Map<string, number>();

  constructor(
    keys: readonly Uint8Array[],
    private readonly onRefused: (address: string) => void,
  ) {
    this.use(keys);
  }

  /** From now on these keys count, the first for dialling. */
  use(keys: readonly Uint8Array[]): void {
    this.#keys = keys.map((key) => ({ tag: tagOf(key), protector: pnet(key) }));
    this.#next.clear();
  }

  async protect(connection: MessageStream, options?: AbortOptions): Promise<MessageStream> {
    corked(connection);
    const limited = options ?? { signal: AbortSignal.timeout(TIMEOUT_MS) };
    const key = await (connection.direction === 'outbound'
      ? this.#propose(connection, limited)
      : this.#choose(connection, limited));
    return key.protector.protect(connection, limited);
  }

  /** The dialled connection is up as a whole: its key is the right one. */
  succeeded(address: string): void {
    const next = this.#next.get(address);
    if (next !== undefined) this.#next.set(address, Math.max(0, next - 1));
  }

  async #propose(connection: MessageStream, options: AbortOptions): Promise<SharedKey> {
    const address = addressOf(connection);
    const attempt = this.#next.get(address) ?? 0;
    if (this.#next.size > MAX_ADDRESSES) this.#next.clear();
    this.#next.set(address, attempt + 1);
    const key = this.#keys[attempt % this.#keys.length]!;
    const bytes = byteStream(connection);
    await bytes.write(key.tag, options);
    bytes.unwrap();
    return key;
  }

  async #choose(connection: MessageStream, options: AbortOptions): Promise<SharedKey> {
    const bytes = byteStream(connection);
    const tag = (await bytes.read({ bytes: TAG_BYTES, ...options })).subarray();
    bytes.unwrap();
    const key = this.#keys.find((one) => Buffer.from(one.tag).equals(tag));
    if (key) return key;
    this.onRefused(addressOf(connection));
    throw new Error('the peer has none of the keys of this cluster');
  }
}

const MAX_ADDRESSES = 4096;

function tagOf(key: Uint8Array): Uint8Array {
  return createHash('sha256').update('vipd-cluster-key-1\0').update(key).digest().subarray(0, TAG_BYTES);
}

function pnet(key: Uint8Array): ConnectionProtector {
  const psk = Buffer.from(`/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(key).toString('hex')}`);
  return preSharedKey({ psk, timeout: TIMEOUT_MS })();
}

function addressOf(connection: MessageStream): string {
  return String((connection as MessageStream & { remoteAddr?: unknown }).remoteAddr ?? 'unknown');
}
