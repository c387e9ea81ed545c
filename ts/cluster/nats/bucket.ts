import { createHash } from 'node:crypto';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { steadyMs } from '../../util/clock.js';
import { type Entry, MAX_ENTRY_BYTES } from '../entry.js';
import type { NodeId } from '../identity.js';
import { batchCodec, type SignedMessage } from '../wire.js';

/** An entry as the servers keep it. */
export interface Kept {
  readonly signed: SignedMessage;
  /** When it was put, by the steady clock of this machine. */
  readonly at: number;
}

/**
 * The entries of a cluster in a bucket of JetStream, a key for each: `OWNER.node` for what a node says of itself,
 * `OWNER.HASH` for a VIP. All keys of an owner share a prefix, so that the servers can let each node write its own alone.
 */
export class Bucket {
  /** Of the last entry of each owner that came by here. */
  readonly #revisions = new Map<NodeId, number>();

  private constructor(
    private readonly stream: string,
    private readonly kv: KV,
    private readonly manager: JetStreamManager,
    /** How far the clock of the servers is ahead of the steady one of this machine. */
    private readonly ahead: number,
  ) {}

  /** Makes it where it is not there yet. */
  static async open(connection: NatsConnection, clusterId: string): Promise<Bucket> {
    const name = `vipd-${clusterId}`;
    const options = { history: 1, maxValueSize: MAX_ENTRY_BYTES + 1024 };
    const kv = await new Kvm(connection).create(name, options);
    const manager = await jetstreamManager(connection);
    const { ts, state } = await manager.streams.info(`KV_${name}`);
    // Servers before 2.10 do not say what time it is; of a cluster that lives the last word is seconds old.
    const ahead = Date.parse(ts ?? state.last_ts) - steadyMs();
    return new Bucket(`KV_${name}`, kv, manager, ahead);
  }

  /** Everything that is there, then everything that is put; ends with the connection. */
  async *entries(): AsyncGenerator<Kept> {
    for await (const one of await this.kv.watch({ ignoreDeletes: true })) {
      const signed = signedOf(one);
      if (!signed) continue;
      this.#revisions.set(ownerOf(one), one.revision);
      const now = steadyMs();
      yield { signed, at: one.isUpdate ? now : Math.min(now, one.created.getTime() - this.ahead) };
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
    await this.manager.streams.purge(this.stream, { filter: this.#subject(keyOf(entry)) });
  }

  /** Removes all that an owner had put when it was last heard; what it puts meanwhile stays. */
  async forget(owner: NodeId): Promise<void> {
    const seq = (this.#revisions.get(owner) ?? 0) + 1;
    await this.manager.streams.purge(this.stream, { filter: this.#subject(`${owner}.>`), seq });
    this.#revisions.delete(owner);
  }

  /** Those that are not there, whatever they say. */
  async missing(owner: NodeId, entries: readonly Entry[]): Promise<readonly Entry[]> {
    const there = new Set<string>();
    for await (const key of await this.kv.keys(`${owner}.>`)) there.add(key);
    return entries.filter((entry) => !there.has(keyOf(entry)));
  }

  #subject(key: string): string {
    return `$KV.${this.stream.slice('KV_'.length)}.${key}`;
  }
}

function ownerOf({ key }: KvWatchEntry): NodeId {
  return key.slice(0, key.indexOf('.'));
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
