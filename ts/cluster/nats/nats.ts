import { readFile } from 'node:fs/promises';
import { connect, credsAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { steadyMs } from '../../util/clock.js';
import { faultOf, VipdError } from '../../util/errors.js';
import { type Entry, EntryCodec } from '../entry.js';
import { type NodeId, publicKeyOf, Verifier } from '../identity.js';
import { nodeOf, Replica } from '../replica.js';
import type { ClusterStore, Heard, Neighbour, StoreListener, StoreStats } from '../store.js';
import type { SignedMessage } from '../wire.js';
import { Bucket, type Kept } from './bucket.js';
import { Presence } from './presence.js';
import type { NatsSetup } from './setup.js';

const RETRY_MS = 1_000;
const BYE = 'bye';

/**
 * The cluster over servers of NATS: entries in a JetStream bucket, signs of life as plain messages. Whether a peer may
 * write at all is the servers' business; what it writes counts only with its owner's signature. While no server answers,
 * nobody is in sight, and everything that is known stays.
 */
export class NatsStore implements ClusterStore {
  readonly name = 'nats';
  readonly central = true;
  readonly #replica: Replica;
  readonly #presence: Presence;
  readonly #counters = { published: 0, publishFailures: 0, received: 0, fresh: 0, old: 0, bad: 0 };
  /** What is still to be put, by key. */
  readonly #unsent = new Map<string, Entry>();
  readonly #restored: Entry[] = [];
  #connection: NatsConnection | undefined;
  #bucket: Bucket | undefined;
  #listener: StoreListener | undefined;
  #beat: NodeJS.Timeout | undefined;
  #sweep: NodeJS.Timeout | undefined;
  /** Since when servers answer, by the steady clock. */
  #since = Number.POSITIVE_INFINITY;
  /** When they took an entry last. */
  #taken = 0;
  #retry: NodeJS.Timeout | undefined;
  #sending = false;
  #failing = false;

  /** @param onDeath the connection ended by itself, and is not tried again */
  constructor(
    private readonly setup: NatsSetup,
    private readonly id: NodeId,
    private readonly onDeath: (error: unknown) => void = () => {},
  ) {
    this.#replica = new Replica(new EntryCodec(setup.clusterId, new Verifier()));
    this.#presence = new Presence(setup.timing);
  }

  async open(listener: StoreListener): Promise<void> {
    try {
      const connection = await this.#connect();
      this.#connection = connection;
      this.#bucket = await Bucket.open(connection, this.setup.clusterId);
    } catch (error) {
      await this.#connection?.close();
      throw unreachable(this.setup.servers, error);
    }
    this.#listener = listener;
    this.#since = steadyMs();
    void this.#follow(this.#bucket, this.#connection);
    void this.#watchServers(this.#bucket, this.#connection);
    this.#connection.subscribe(this.#subject('*'), { callback: (_, message) => this.#sign(message) });
    this.#beat = setInterval(() => this.#tick(), this.setup.timing.beatMs);
    this.#sweep = setInterval(() => this.#forget(), this.setup.timing.sweepMs);
    this.#tick();
  }

  put(entries: readonly SignedMessage[]): void {
    const now = steadyMs();
    for (const signed of entries) {
      const outcome = this.#replica.accept(signed, now);
      if (outcome.kind !== 'new') continue;
      // To the end: what is said last must arrive last.
      this.#unsent.delete(outcome.entry.message.key);
      this.#unsent.set(outcome.entry.message.key, outcome.entry);
      for (const entry of outcome.voided) void this.#bucket?.remove(entry).catch(() => {});
    }
    void this.#send();
  }

  restore(entries: readonly Heard[]): void {
    for (const { signed, at } of entries) {
      const outcome = this.#replica.accept(signed, at);
      if (outcome.kind === 'new') this.#restored.push(outcome.entry);
    }
    void this.#handOn();
  }

  neighbours(): readonly Neighbour[] {
    return this.#listener ? this.#presence.nodes().map((id) => ({ id })) : [];
  }

  async stats(): Promise<StoreStats> {
    const gauges = { ...this.#replica.size(), neighbours: this.neighbours().length, unsent: this.#unsent.size };
    return { counters: { ...this.#counters }, gauges };
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#listener = undefined;
    this.#connection = undefined;
    clearInterval(this.#beat);
    clearInterval(this.#sweep);
    clearTimeout(this.#retry);
    if (!connection || connection.isClosed()) return;
    connection.publish(this.#subject(this.id), BYE);
    // Without a server to flush to it would wait for one.
    await Promise.race([connection.flush().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 500))]);
    await connection.close();
  }

  async #connect(): Promise<NatsConnection> {
    const { servers, credentials, clusterId } = this.setup;
    const secure = servers.some((server) => server.startsWith('tls://'));
    const connection = await connect({
      servers: [...servers],
      name: `vipd ${clusterId} ${this.id}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      pingInterval: this.setup.timing.beatMs * 2,
      maxPingOut: 2,
      ...(secure ? { tls: {} } : {}),
      ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(await readFile(credentials)) }),
    });
    void connection.closed().then((error) => {
      if (this.#connection === connection) this.onDeath(error ?? new Error('the connection to NATS was closed'));
    });
    return connection;
  }

  #subject(node: NodeId | '*'): string {
    return `vipd.${this.setup.clusterId}.alive.${node}`;
  }

  #tick(): void {
    if (this.#presence.beat()) this.#neighboursChanged();
    if (this.#connection && !this.#connection.isClosed()) this.#connection.publish(this.#subject(this.id));
  }

  #sign(message: Msg): void {
    const id = message.subject.slice(this.#subject('*').length - 1);
    if (id === this.id || !publicKeyOf(id)) return;
    const changed = message.string() === BYE ? this.#presence.gone(id) : this.#presence.heard(id);
    if (changed) this.#neighboursChanged();
  }

  #neighboursChanged(): void {
    this.#listener?.neighbours(this.neighbours());
  }

  async #follow(bucket: Bucket, connection: NatsConnection): Promise<void> {
    try {
      for await (const kept of bucket.entries()) this.#hear(kept);
      if (this.#connection === connection) throw new Error('the servers ended the watch of the entries');
    } catch (error) {
      if (this.#connection === connection) this.onDeath(error);
    }
  }

  async #watchServers(bucket: Bucket, connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect') this.#since = Number.POSITIVE_INFINITY;
      if (type !== 'reconnect') continue;
      this.#since = steadyMs();
      await this.#sayAgain(bucket).catch(() => {}); // it is gone again
    }
  }

  /** After a time without servers: they may have lost what this node said, and after a long one the others forgotten it. */
  async #sayAgain(bucket: Bucket): Promise<void> {
    const own = [...(this.#replica.holding(this.id)?.entries.values() ?? [])];
    const forgotten = steadyMs() - this.#taken > this.setup.timing.forgetMs / 2;
    const entries = forgotten ? own : await bucket.missing(this.id, own);
    // What is said anew meanwhile has its turn already.
    for (const entry of entries) if (!this.#unsent.has(entry.message.key)) this.#unsent.set(entry.message.key, entry);
    await this.#send();
  }

  /** As all others do at about the same time; where the servers let each node write its own alone, theirs stays. */
  #forget(): void {
    const now = steadyMs();
    const { forgetMs } = this.setup.timing;
    for (const owner of this.#replica.silentSince(now - forgetMs)) {
      // While no server answered nobody was heard; who lives speaks within its lease.
      const lease = nodeOf(this.#replica.holding(owner)!)?.leaseMs ?? 0;
      if (owner === this.id || now - this.#since < Math.min(lease, forgetMs)) continue;
      this.#replica.forget(owner);
      void this.#bucket?.forget(owner).catch(() => {});
    }
  }

  #hear({ signed, at }: Kept): void {
    const outcome = this.#replica.accept(signed, at);
    this.#counters.received += 1;
    this.#counters[outcome.kind === 'new' ? 'fresh' : outcome.kind] += 1;
    if (outcome.kind === 'new') this.#listener?.heard([{ signed: outcome.entry.signed, at }]);
    const object = outcome.kind === 'bad' && outcome.owner !== undefined ? `node ${outcome.owner}` : 'NATS bucket';
    if (outcome.kind === 'bad') this.#listener?.fault(`bad ${object}`, { ...outcome.bad, object });
  }

  /** In the order they were said, one at a time; what fails is tried again until it goes. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    clearTimeout(this.#retry);
    try {
      for (const [key, entry] of this.#unsent) {
        await this.#bucket!.put(entry);
        this.#counters.published += 1;
        this.#taken = steadyMs();
        // Said anew meanwhile it stands at the end, and its turn is still to come.
        if (this.#unsent.get(key) === entry) this.#unsent.delete(key);
      }
      if (this.#failing) this.#listener?.fault('publish', undefined);
      this.#failing = false;
    } catch (error) {
      this.#failing = true;
      this.#counters.publishFailures += 1;
      this.#listener?.fault('publish', { ...faultOf(error, 'NATS'), code: 'CLUSTER_PUBLISH_FAILED' });
      if (this.#connection) this.#retry = setTimeout(() => void this.#send(), RETRY_MS);
    } finally {
      this.#sending = false;
    }
  }

  async #handOn(): Promise<void> {
    for (const entry of this.#restored.splice(0)) if (this.#listener) await this.#bucket?.restore(entry);
  }
}

function unreachable(servers: readonly string[], error: unknown): VipdError {
  const { cause } = faultOf(error, 'NATS');
  const hint = 'see that a server with JetStream runs there and takes the credentials of this node';
  return new VipdError({ code: 'CLUSTER_NATS_FAILED', object: servers.join(', '), cause, hint }, { cause: error });
}
