import { createHash } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Entry, MAX_ENTRY_BYTES } from '../entry.js';
import { batchCodec, type SignedMessage } from '../wire.js';

/** An entry as the servers keep it. */
export interface Kept {
  readonly signed: SignedMessage;
  /** When it was put, milliseconds since the epoch by the clock of the server. */
  readonly put: number;
  /** It was there before this node looked. */
  readonly before: boolean;
}

/**
 * The entries of a cluster in a bucket of JetStream, a key for each: `OWNER.node` for what a node says of itself,
 * `OWNER.HASH` for a VIP. All keys of an owner share a prefix, so that the servers can let each node write its own alone.
 */
export class Bucket {
  private constructor(
    private readonly name: string,
    private readonly kv: KV,
    private readonly connection: NatsConnection,
  ) {}

  /** Makes it where it is not there yet. */
  static async open(connection: NatsConnection, clusterId: string): Promise<Bucket> {
    const name = `vipd-${clusterId}`;
    const options = { history: 1, maxValueSize: MAX_ENTRY_BYTES + 1024 };
    return new Bucket(name, await new Kvm(connection).create(name, options), connection);
  }

  /** Everything that is there, then everything that is put; ends with the connection. */
  async *entries(): AsyncGenerator<Kept> {
    for await (const one of await this.kv.watch({ ignoreDeletes: true })) {
      const signed = signedOf(one);
      if (signed) yield { signed, put: one.created.getTime(), before: !one.isUpdate };
    }
  }

  async put(entry: Entry): Promise<void> {
    await this.kv.put(keyOf(entry), bytesOf(entry));
  }

  /** Of an owner that cannot put it itself: what the servers have already stays. */
  async restore(entry: Entry): Promise<void> {
    await this.kv.create(keyOf(entry), bytesOf(entry)).catch(() => {});
  }

  /** Without a mark that it was there. */
  async remove(entry: Entry): Promise<void> {
    const manager = await jetstreamManager(this.connection);
    await manager.streams.purge(`KV_${this.name}`, { filter: `$KV.${this.name}.${keyOf(entry)}` });
  }
}

function keyOf({ owner, message: { key } }: Entry): string {
  return `${owner}.${key === '' ? 'node' : createHash('sha1').update(key).digest('hex')}`;
}

function bytesOf({ signed }: Entry): Uint8Array {
  return batchCodec.encode({ entries: [signed] });
}

function signedOf({ value }: KvWatchEntry): SignedMessage | undefined {
  try {
    return batchCodec.decode(value).entries[0];
  } catch {
    return undefined; // nobody is known who has written it
  }
}
