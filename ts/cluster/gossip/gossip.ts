import './withresolvers.js';
import { TopicValidatorResult } from '@libp2p/gossipsub';
import type { Connection, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { steadyMs } from '../../util/clock.js';
import { faultOf } from '../../util/errors.js';
import { type Entry, EntryCodec } from '../entry.js';
import { reachable } from '../graph.js';
import { Identity, type NodeId, Verifier } from '../identity.js';
import { type Outcome, Replica } from '../replica.js';
import type { ClusterStore, Heard, Neighbour, StoreListener, StoreStats } from '../store.js';
import type { Side } from '../sync.js';
import { batchCodec, type SignedMessage } from '../wire.js';
import { Beat } from './beat.js';
import { COMPARE, Comparing, Difference } from './comparing.js';
import { Complaints } from './complaints.js';
import { misbehaves, overLimit, wrongKey } from './faults.js';
import { type Ban, Guard } from './guard.js';
import { createHost, endpointText, type Host, multiaddrText } from './host.js';
import { type Candidate, candidates, degree, Mesh, saidNeighbours } from './mesh.js';
import { ClusterProtector } from './protector.js';
import { dialTargets } from './seeds.js';
import type { GossipSetup } from './setup.js';
import { batches, newCounters } from './traffic.js';

const TOPIC = 'vipd/entries/1';
const BEAT = '/vipd/beat/1';
/** From a connection to its heartbeat. */
const BEAT_WAIT_MS = 6_000;

interface Peer {
  readonly id: NodeId;
  readonly connection: Connection;
  readonly beat: Beat;
  rttMs: number | undefined;
  /** Of what it holds from what this node does. */
  readonly difference: Difference;
}

/** The cluster over libp2p and gossipsub, in the calling thread; see {@link GossipThread} for a thread of its own. */
export class Gossip implements ClusterStore {
  readonly name = 'gossip';
  readonly #id: NodeId;
  readonly #replica: Replica;
  readonly #protector: ClusterProtector;
  readonly #guard: Guard;
  readonly #mesh = new Mesh();
  /** Seeds that turned out to be this node. */
  readonly #selves = new Set<string>();
  readonly #peers = new Map<NodeId, Peer>();
  /** When each connection was opened. */
  readonly #since = new WeakMap<Connection, number>();
  readonly #complaints = new Complaints((about, fault) => this.#listener?.fault(about, fault));
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #counters = newCounters();
  readonly #comparing: Comparing;
  /** Came by a comparison: to the neighbours the message that was to bring them may still be news. */
  readonly #unspread = new WeakSet<Entry>();
  #allow: ReadonlySet<NodeId> | undefined;
  #host: Host | undefined;
  #listener: StoreListener | undefined;

  constructor(private readonly setup: GossipSetup) {
    this.#id = new Identity(setup.seed).id;
    this.#replica = new Replica(new EntryCodec(setup.clusterId, new Verifier()), setup.room);
    this.#protector = new ClusterProtector(setup.clusterKeys, (address) => this.#refusedKey(address));
    this.#guard = new Guard((ban) => this.#banned(ban), setup.limits);
    const modules = { sideOf: (peer: NodeId) => this.#side(peer), counters: this.#counters, guard: this.#guard };
    this.#comparing = new Comparing(setup.timing.compareMs, modules);
    this.#allow = setup.allow && new Set(setup.allow);
  }

  async open(listener: StoreListener): Promise<void> {
    this.#listener = listener;
    const host = await createHost(this.setup, { protector: this.#protector, admits: (peer) => this.#admits(peer) });
    this.#host = host;
    host.services.pubsub.topicValidators.set(TOPIC, (peer, { data }) => this.#validate(peer.toString(), data));
    host.services.pubsub.subscribe(TOPIC);
    await host.handle(BEAT, (stream, connection) => this.#welcome(stream, connection), { maxInboundStreams: 4 });
    await host.handle(COMPARE, (stream, connection) => this.#comparing.answer(stream, connection), {
      maxInboundStreams: 4,
    });
    host.addEventListener('connection:open', (event) => void this.#connected(event.detail));
    host.addEventListener('connection:close', (event) => this.#disconnected(event.detail));
    const { compareMs, meshMs } = this.setup.timing;
    this.#every(meshMs, () => this.#tendMesh());
    this.#every(compareMs, () => void this.#compareWithAny());
    this.#every(compareMs, () => this.#forget());
    void this.#tendMesh();
  }

  put(entries: readonly SignedMessage[]): void {
    const now = steadyMs();
    const accepted = entries.filter((signed) => this.#replica.acceptChecked(signed, now).kind === 'new');
    for (const batch of batches(accepted)) this.#publish(batch);
  }

  restore(entries: readonly Heard[]): void {
    for (const { signed, at } of entries) this.#replica.accept(signed, at);
  }

  /** These keys and nodes from now on; connections of others end. */
  use(clusterKeys: readonly Uint8Array[], allow: readonly NodeId[] | undefined): void {
    this.#protector.use(clusterKeys);
    this.#allow = allow && new Set(allow);
    this.#mesh.forgive();
    for (const { id, beat } of this.#peers.values()) if (!this.#admits(id)) beat.end('it is not on the list of nodes');
  }

  neighbours(): readonly Neighbour[] {
    return Array.from(this.#peers.values(), ({ id, rttMs, connection }) => {
      const address = endpointText(connection.remoteAddr.toString());
      return { id, ...(rttMs === undefined ? {} : { rttMs }), ...(address === undefined ? {} : { address }) };
    });
  }

  async stats(): Promise<StoreStats> {
    const { owners, entries, bytes } = this.#replica.size();
    const streams = (this.#host?.getConnections() ?? []).flatMap((connection) => connection.streams);
    const queued = streams.reduce((sum, { writeBufferLength }) => sum + writeBufferLength, 0);
    const gauges = {
      owners,
      entries,
      bytes,
      neighbours: this.#peers.size,
      streams: streams.length,
      queued,
      bans: this.#guard.bans().length,
    };
    return { counters: { ...this.#counters }, gauges };
  }

  /** One of libp2p's writes came too late; it is told where nobody else can catch it. */
  countLateWrite(): void {
    this.#counters.lateWrites += 1;
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    for (const timer of this.#timers) clearInterval(timer);
    this.#complaints.close();
    for (const { beat } of [...this.#peers.values()]) beat.end('this node leaves');
    await this.#host?.stop();
    this.#host = undefined;
  }

  #every(ms: number, run: () => void): void {
    // Spread, so that nodes that were started together do not act together.
    this.#timers.push(setInterval(() => setTimeout(run, Math.random() * ms * 0.5).unref(), ms));
  }

  #admits(peer: NodeId): boolean {
    return !this.#guard.banned(peer) && (this.#allow?.has(peer) ?? true);
  }

  #publish(batch: readonly SignedMessage[]): void {
    const data = batchCodec.encode({ entries: batch });
    this.#counters.published += 1;
    this.#counters.bytesPublished += data.length;
    const failed = (error: unknown) => {
      // Whoever misses it gets it by comparison.
      this.#counters.publishFailures += 1;
      this.#complaints.about('publish', { ...faultOf(error, 'cluster'), code: 'CLUSTER_PUBLISH_FAILED' });
    };
    this.#host?.services.pubsub.publish(TOPIC, data).then(() => this.#complaints.over('publish'), failed);
  }

  /** For gossipsub: whether a message is worth handing on. */
  #validate(from: NodeId, data: Uint8Array) {
    this.#counters.received += 1;
    this.#counters.bytesReceived += data.length;
    if (!this.#guard.message(from, data.length)) return this.#shut(from);
    let entries: readonly SignedMessage[];
    try {
      entries = batchCodec.decode(data).entries;
    } catch {
      this.#guard.bad(from, 'no batch of entries');
      this.#counters.bad += 1;
      return TopicValidatorResult.Reject;
    }
    const now = steadyMs();
    const outcomes = entries.map((signed) => this.#replica.accept(signed, now));
    const heard = outcomes.filter((outcome) => this.#take(outcome, from));
    this.#hear(heard.length === 0 ? [] : entries.filter((_, i) => outcomes[i]!.kind === 'new'), now);
    const owed = entries.filter((signed, i) => this.#owes(outcomes[i]!, signed));
    if (outcomes.some(({ kind }) => kind === 'bad')) return TopicValidatorResult.Reject;
    return heard.length + owed.length > 0 ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore;
  }

  /** Whether it is handed on though it is known here, which happens once. Only what is here to the byte has been checked. */
  #owes(outcome: Outcome, { entry, signature }: SignedMessage): boolean {
    if (outcome.kind !== 'old') return false;
    const { owner, message } = outcome.entry;
    const held = this.#replica.holding(owner)?.entries.get(message.key);
    if (!held || !this.#unspread.has(held)) return false;
    const same = Buffer.from(entry).equals(held.signed.entry) && Buffer.from(signature).equals(held.signed.signature);
    return same && this.#unspread.delete(held);
  }

  #shut(peer: NodeId) {
    this.#counters.shut += 1;
    this.#peers.get(peer)?.beat.end('it is shut out');
    return TopicValidatorResult.Ignore;
  }

  /** Whether it is news. */
  #take(outcome: Outcome, from: NodeId): boolean {
    if (outcome.kind === 'bad') {
      this.#counters.bad += 1;
      if (outcome.owner !== undefined)
        this.#complaints.about(`limit ${outcome.owner}`, overLimit(outcome.owner, outcome.bad.cause));
      // Whoever hands on what another says too much of may have kept other parts of it, and means no harm.
      if (outcome.owner === undefined || outcome.owner === from) this.#guard.bad(from, outcome.bad.cause);
      else this.#guard.message(from, 0);
    }
    if (outcome.kind === 'old') this.#counters.old += 1;
    if (outcome.kind === 'new') this.#counters.fresh += 1;
    return outcome.kind === 'new';
  }

  #hear(entries: readonly SignedMessage[], at: number): void {
    if (entries.length > 0) this.#listener?.heard(entries.map((signed) => ({ signed, at })));
  }

  #refusedKey(address: string): void {
    this.#counters.refusedKeys += 1;
    const fault = wrongKey(address);
    this.#complaints.about(`key ${fault.object}`, fault);
  }

  #banned(ban: Ban): void {
    const { peer } = ban;
    this.#complaints.about(`ban ${peer}`, misbehaves(ban));
    this.#peers.get(peer)?.beat.end('it is shut out');
    void this.#hangUp(peer);
  }

  async #hangUp(peer: NodeId): Promise<void> {
    for (const connection of this.#host?.getConnections() ?? []) {
      if (connection.remotePeer.toString() === peer) connection.abort(new Error('shut out'));
    }
  }

  async #connected(connection: Connection): Promise<void> {
    const id = connection.remotePeer.toString();
    this.#since.set(connection, steadyMs());
    if (connection.direction !== 'outbound') return; // who dials begins
    this.#protector.succeeded(connection.remoteAddr.toString());
    this.#mesh.succeeded(id);
    if (this.#peers.has(id)) return;
    try {
      this.#addPeer(await connection.newStream(BEAT, { signal: AbortSignal.timeout(5_000) }), connection);
    } catch {
      connection.abort(new Error('no heartbeat'));
    }
  }

  #welcome(stream: Stream, connection: Connection): void {
    this.#addPeer(stream, connection);
  }

  /** Of two connections to one peer, which arise when both dial at once, both ends keep the one its lesser id dialled. */
  #addPeer(stream: Stream, connection: Connection): void {
    const id = connection.remotePeer.toString();
    const before = this.#peers.get(id);
    const mine = (connection.direction === 'outbound') === this.#id < id;
    if (before?.connection.status === 'open' && !mine) return void connection.close().catch(() => {});
    const { beatMs, deadlineMs } = this.setup.timing;
    const peer: Peer = {
      id,
      connection,
      rttMs: undefined,
      difference: new Difference(),
      beat: new Beat(stream, { beatMs, deadlineMs }, () => this.#replica.whole(), {
        alive: (rttMs) => {
          peer.rttMs = rttMs;
        },
        holds: (whole) => void this.#comparing.weigh(connection, peer.difference, whole),
        gone: (reason) => this.#gone(peer, reason),
      }),
    };
    this.#peers.set(id, peer);
    before?.beat.end('it has another connection');
    this.#mesh.succeeded(id);
    if (!before) this.#neighboursChanged();
    if (connection.direction === 'outbound') void this.#comparing.with(connection);
  }

  #gone(peer: Peer, reason: string): void {
    if (peer.connection.status === 'open') peer.connection.abort(new Error(reason));
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    this.#counters.lost += 1;
    this.#neighboursChanged();
    void this.#tendMesh();
  }

  #disconnected(connection: Connection): void {
    const peer = this.#peers.get(connection.remotePeer.toString());
    if (peer?.connection === connection) peer.beat.end('it closed the connection');
  }

  #neighboursChanged(): void {
    this.#listener?.neighbours(this.neighbours());
  }

  async #tendMesh(): Promise<void> {
    const host = this.#host;
    if (!host) return;
    const neighbours = new Set(this.#peers.keys());
    const found = reachable(this.#id, neighbours, saidNeighbours(this.#replica));
    const view = { neighbours, reachable: found, candidates: this.#candidates(found) };
    for (const candidate of this.#mesh.next(view, performance.now())) void this.#dial(host, candidate);
    if (neighbours.size > degree.most) this.#trim();
  }

  #candidates(found: ReadonlySet<NodeId>): readonly Candidate[] {
    const known = [...this.#replica.holdings()].filter(({ owner }) => owner !== this.#id && this.#admits(owner));
    const connected = new Set(this.neighbours().map(({ address }) => address));
    return candidates(
      known,
      this.setup.seeds.filter((seed) => !connected.has(seed) && !this.#selves.has(seed)),
      found,
    );
  }

  async #dial(host: Host, { name, reach }: Candidate): Promise<void> {
    const id = name.startsWith('12D3') ? name : undefined;
    for (const endpoint of await dialTargets(reach)) {
      this.#counters.dials += 1;
      try {
        const connection = await host.dial(multiaddr(multiaddrText(endpoint, id)), {
          signal: AbortSignal.timeout(5_000),
        });
        return this.#expectBeat(connection);
      } catch (error) {
        this.#counters.dialFailures += 1;
        if ((error as Error).name === 'DialSelfError' || /dial self/i.test((error as Error).message))
          this.#selves.add(name);
      }
    }
  }

  /** A connection that was there before and has no heartbeat is one that only this end still believes in. */
  #expectBeat(connection: Connection): void {
    if (this.#peers.has(connection.remotePeer.toString())) return;
    if (steadyMs() - (this.#since.get(connection) ?? 0) > BEAT_WAIT_MS) connection.abort(new Error('no heartbeat'));
  }

  /** One at a time, of those that have others. */
  #trim(): void {
    const said = saidNeighbours(this.#replica);
    const rich = [...this.#peers.values()].filter(({ id }) => (said.get(id)?.size ?? 0) > degree.wanted);
    rich[Math.floor(Math.random() * rich.length)]?.beat.end('this node has enough neighbours');
  }

  /** As all others do at about the same time: what is known of them ages alike everywhere. */
  #forget(): void {
    const before = steadyMs() - this.setup.timing.forgetMs;
    for (const owner of this.#replica.silentSince(before)) if (owner !== this.#id) this.#replica.forget(owner);
  }

  async #compareWithAny(): Promise<void> {
    const peers = [...this.#peers.values()];
    const peer = peers[Math.floor(Math.random() * peers.length)];
    if (peer) await this.#comparing.with(peer.connection);
  }

  #side(peer: NodeId): Side {
    return {
      replica: this.#replica,
      now: steadyMs,
      forgetMs: this.setup.timing.forgetMs,
      received: (outcome, at) => {
        if (!this.#take(outcome, peer) || outcome.kind !== 'new') return;
        this.#unspread.add(outcome.entry);
        this.#hear([outcome.entry.signed], at);
      },
    };
  }
}
