import { join } from 'node:path';
import type { DeclaredService } from '../model/service.js';
import { steadyMs } from '../util/clock.js';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { Pace } from '../util/pace.js';
import { EntryCodec } from './entry.js';
import { type Identity, type NodeId, publicKeyOf, Verifier } from './identity.js';
import { type Member, Membership } from './membership.js';
import { OwnEntries, type Publication } from './own.js';
import { Replica } from './replica.js';
import { RemoteServices } from './services.js';
import { type Room, roomBeside } from './shares.js';
import { readSnapshot, writeSnapshot } from './snapshot.js';
import type { ClusterStore, Heard, Neighbour, StoreStats } from './store.js';
import type { NodeMessage } from './wire.js';

/** What a node says of itself and does not change while it runs. */
export type NodeFacts = Pick<
  NodeMessage,
  'name' | 'addresses' | 'reach' | 'software' | 'kernel' | 'zone' | 'startedMs'
>;

export interface ClusterOptions {
  readonly clusterId: string;
  /** What is known is kept here over restarts. */
  readonly directory: string;
  readonly facts: NodeFacts;
  /** A node that is silent for longer is stale; this one speaks at least three times as often. */
  readonly leaseMs: number;
  /** Ids of the nodes that may take part; absent: all that have the key. */
  readonly allow?: readonly NodeId[];
  /** After so long without a word a node is forgotten. */
  readonly forgetMs: number;
  /** What the kernel of this node has room for. */
  readonly room: Room;
}

export interface ClusterModules {
  readonly identity: Identity;
  readonly store: ClusterStore;
  readonly logger?: Logger;
  /** Milliseconds since the epoch; what others and people are told, and nothing is decided by. */
  readonly wall?: () => number;
}

/** What the cluster looks like from here. */
export interface ClusterView {
  readonly services: readonly DeclaredService[];
  readonly faults: readonly Fault[];
}

/** As long as the changes of this node do not end, those within this time travel together. */
const COALESCE_MS = 250;
/** Until what was said last has left the machine. */
const LEAVE_MS = 300;
const SNAPSHOT_MS = 5_000;
/** After the store has forgotten a node: what it hears of it from then on is news here too. */
const LATER_MS = 60_000;
/** Restarts within a life, after which somebody else must be using this node's key. */
const MANY_LIVES = 5;
/** There is no later life than the last number: only a thief of the key speaks as that. */
const LAST_LIFE = 0xffff_ffff;

/** This node's part in the cluster: says what runs here, hears what runs elsewhere, and knows who is there. */
export class Cluster {
  readonly id: NodeId;
  readonly #replica: Replica;
  readonly #membership = new Membership();
  readonly #remote = new RemoteServices();
  readonly #own: OwnEntries;
  readonly #confirmed = new Set<NodeId>();
  readonly #storeFaults = new Map<string, Fault>();
  readonly #listeners = new Set<() => void>();
  readonly #wall: () => number;
  #allow: ReadonlySet<NodeId> | undefined;
  #publication: Publication | undefined;
  #plane = '';
  #neighbours: readonly Neighbour[] = [];
  #view: ClusterView = { services: [], faults: [] };
  #lives = 0;
  /** What the last entry about the node said. */
  #renewal = '';
  readonly #pace = new Pace(COALESCE_MS);
  #speech: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #lease: NodeJS.Timeout | undefined;
  #saver: NodeJS.Timeout | undefined;
  #pending: NodeJS.Timeout | undefined;
  /** Milliseconds the last look took. */
  #took = 0;
  #unsaved = false;
  #open = false;
  #left = false;

  private constructor(
    private readonly options: ClusterOptions,
    private readonly modules: ClusterModules,
    codec: EntryCodec,
    incarnation: number,
  ) {
    this.id = modules.identity.id;
    this.#wall = modules.wall ?? Date.now;
    this.#replica = new Replica(codec);
    this.#own = new OwnEntries(modules.identity, codec, incarnation);
    this.#allow = options.allow && new Set(options.allow);
  }

  /** Takes part as soon as it resolves. What was known before a restart is there at once. @throws VipdError */
  static async start(options: ClusterOptions, modules: ClusterModules): Promise<Cluster> {
    const codec = new EntryCodec(options.clusterId, new Verifier());
    const { incarnation, kept } = await readSnapshot(snapshotPath(options));
    const cluster = new Cluster(options, modules, codec, incarnation + 1);
    // What is too old is left to the others whole: here it would be dropped again, and in the store seem known.
    const oldest = steadyMs() - options.forgetMs;
    await cluster.#begin(kept.filter(({ at }) => at >= oldest));
    return cluster;
  }

  /** All this node has behind VIPs. */
  publish(publication: Publication, plane: string): void {
    this.#publication = publication;
    this.#plane = plane;
    this.#speakSoon();
  }

  view(): ClusterView {
    return this.#view;
  }

  members(): readonly Member[] {
    return [...this.#membership.members().values()];
  }

  /** This node as others see it. */
  self(): { id: NodeId; node: NodeMessage; incarnation: number } {
    return { id: this.id, node: this.#node(), incarnation: this.#own.incarnation };
  }

  neighbours(): readonly Neighbour[] {
    return this.modules.store.neighbours();
  }

  /** How many VIPs a node has backends of. */
  vipsOf(id: NodeId): number {
    const entries = [...(this.#replica.holding(id)?.entries.values() ?? [])];
    return entries.filter(({ message }) => message.vip).length;
  }

  size(): ReturnType<Replica['size']> {
    return this.#replica.size();
  }

  stats(): Promise<StoreStats> {
    return this.modules.store.stats();
  }

  faults(): readonly Fault[] {
    return [...this.#storeFaults.values(), ...this.#view.faults];
  }

  /** Takes a new list of nodes. */
  allow(allow: readonly NodeId[] | undefined): void {
    this.#allow = allow && new Set(allow);
    this.#reconsider();
  }

  /** Calls the listener whenever services, members or faults may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the others that this node is gone for good; to be followed by {@link stop}. */
  async leave(): Promise<void> {
    this.#left = true;
    this.#publication = new Map();
    this.#speak();
    await new Promise((resolve) => setTimeout(resolve, LEAVE_MS)); // until it is on its way
  }

  async stop(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    for (const timer of [this.#speech, this.#look, this.#lease, this.#saver, this.#pending]) clearTimeout(timer);
    await this.modules.store.close();
    await this.#save().catch((error: unknown) =>
      this.modules.logger?.warn({ fault: faultOf(error, 'cluster') }, 'not saved'),
    );
  }

  async #begin(kept: readonly Heard[]): Promise<void> {
    const { store } = this.modules;
    for (const { signed, at } of kept) this.#replica.accept(signed, at);
    // The number of this life must be on disk before it is used.
    await this.#save(true);
    this.#open = true;
    await store.open({
      heard: (entries) => this.#hear(entries),
      neighbours: (list) => this.#meet(list),
      fault: (about, fault) => this.#complain(about, fault),
    });
    store.restore(kept);
    this.#reconsider();
    this.#speakSoon();
  }

  #hear(entries: readonly Heard[]): void {
    let news = false;
    for (const { signed, at } of entries) {
      const outcome = this.#replica.acceptChecked(signed, at);
      if (outcome.kind !== 'new') continue;
      news = true;
      const { owner, message } = outcome.entry;
      if (owner === this.id) this.#meetMyself(message.incarnation);
      else if (message.key === '') this.#confirmed.add(owner);
    }
    if (!news) return;
    this.#unsaved = true;
    this.#reconsiderSoon();
  }

  /** An entry of this node that it has not written in this life: of an earlier one whose memory is lost, or a thief's. */
  #meetMyself(incarnation: number): void {
    if (incarnation < this.#own.incarnation) return;
    this.#own.outlive(Math.min(incarnation, LAST_LIFE - 1));
    this.#lives += incarnation >= LAST_LIFE - 1 ? MANY_LIVES + 1 : 1;
    this.#unsaved = true;
    this.modules.logger?.warn({ incarnation: this.#own.incarnation }, 'outliving what this node said before');
    if (this.#lives > MANY_LIVES) {
      const cause = 'another machine speaks with the key of this node';
      const hint = 'stop that machine, or remove node.key from the state directory of one of the two';
      this.#storeFaults.set('identity', { code: 'IDENTITY_SHARED', object: `node ${this.id}`, cause, hint });
    }
    this.#speakSoon();
  }

  #meet(list: readonly Neighbour[]): void {
    this.#neighbours = list;
    this.#reconsider();
    this.#speakSoon();
  }

  #complain(about: string, fault: Fault | undefined): void {
    if (fault) this.#storeFaults.set(about, fault);
    else this.#storeFaults.delete(about);
    if (fault) this.modules.logger?.warn({ fault }, 'cluster');
    this.#changed();
  }

  /** Under many changes at most a quarter of the time goes into looking at them. */
  #reconsiderSoon(): void {
    this.#pending ??= setTimeout(() => this.#reconsider(), Math.min(500, 3 * this.#took));
  }

  #reconsider(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    if (!this.#open) return;
    const begun = performance.now();
    const now = steadyMs();
    const direct = new Set(this.#neighbours.map(({ id }) => id));
    const sight = { self: this.id, direct, confirmed: this.#confirmed, allow: this.#allow, now, wall: this.#wall() };
    const before = this.#membership.members();
    const next = this.#membership.update({ ...sight, holdings: this.#replica.holdings() });
    this.#report(before);
    this.#forget(now);
    const { addresses } = this.options.facts;
    const members = this.#membership.members();
    const holding = (owner: NodeId) => this.#replica.holding(owner);
    const room = roomBeside(this.options.room, this.#publication ?? new Map());
    this.#view = this.#remote.update({ self: this.id, addresses, members, holding, alone: direct.size === 0, room });
    clearTimeout(this.#look);
    this.#look = setTimeout(() => this.#reconsider(), next);
    this.#changed();
    this.#took = performance.now() - begun;
  }

  #report(before: ReadonlyMap<NodeId, Member>): void {
    for (const member of this.#membership.members().values()) {
      const last = before.get(member.id);
      if (last?.state === member.state) continue;
      this.modules.logger?.info(
        { node: member.node.name, id: member.id, from: last?.state, to: member.state },
        'member',
      );
    }
  }

  #forget(now: number): void {
    for (const { id, spoke, state } of this.#membership.members().values()) {
      if (state === 'alive' || now - spoke < this.options.forgetMs + LATER_MS) continue;
      this.#replica.forget(id);
      this.#unsaved = true;
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** At once after a while of silence; what changes meanwhile goes together. */
  #speakSoon(): void {
    if (!this.#open || this.#speech) return;
    this.#speech = setTimeout(() => this.#speak(), Math.max(5, this.#pace.wait()));
  }

  #speak(): void {
    clearTimeout(this.#speech);
    this.#speech = undefined;
    const vips = this.#publication ? this.#own.vips(this.#publication) : [];
    // The word about the node itself comes last: its floor makes void what the entries before it replace.
    const text = this.#nodeText();
    const renew = this.#renewal !== text;
    const entries = renew ? [...vips, this.#own.node(this.#node(), this.#publication !== undefined)] : vips;
    this.#renewal = text;
    if (entries.length === 0) return;
    this.#pace.acted();
    const now = steadyMs();
    for (const { signed } of entries) this.#replica.acceptChecked(signed, now);
    this.modules.store.put(entries.map(({ signed }) => signed));
    this.#unsaved = true;
    this.#saver ??= setTimeout(() => void this.#saveLater(), SNAPSHOT_MS);
    // What is said of VIPs renews no lease, however often they change.
    if (renew) this.#scheduleRenewal();
  }

  /** What makes the entry about the node worth saying anew. */
  #nodeText(): string {
    const { neighbours, clockMs: _, ...rest } = this.#node();
    const floor = `${this.#own.incarnation} ${this.#own.floor} ${this.#publication !== undefined}`;
    return `${floor} ${JSON.stringify(rest)} ${neighbours.map((one) => Buffer.from(one).toString('hex')).join()}`;
  }

  #scheduleRenewal(): void {
    clearTimeout(this.#lease);
    const nodes = this.#membership.members().size;
    // In large clusters the lease is longer, so that the words of all together stay few.
    this.#lease = setTimeout(
      () => {
        this.#renewal = '';
        this.#speakSoon();
      },
      (leaseFor(this.options.leaseMs, nodes) / 3) * (0.8 + Math.random() * 0.2),
    );
  }

  #node(): NodeMessage {
    const told = this.modules.store.central ? [] : this.#neighbours;
    const neighbours = told.flatMap(({ id }) => publicKeyOf(id) ?? []);
    return {
      ...this.options.facts,
      neighbours,
      leaseMs: leaseFor(this.options.leaseMs, this.#membership.members().size),
      left: this.#left,
      plane: this.#plane,
      clockMs: this.#wall(),
      floorIncarnation: 0,
      floorVersion: 0,
    };
  }

  async #saveLater(): Promise<void> {
    this.#saver = undefined;
    try {
      await this.#save();
      this.#storeFaults.delete('snapshot');
    } catch (error) {
      this.#complain('snapshot', faultOf(error, 'cluster'));
    }
    if (this.#open) this.#saver = setTimeout(() => void this.#saveLater(), SNAPSHOT_MS);
  }

  async #save(always = false): Promise<void> {
    if (!this.#unsaved && !always) return;
    this.#unsaved = false;
    await writeSnapshot(snapshotPath(this.options), this.#own.incarnation, this.#replica);
  }
}

function snapshotPath({ directory }: ClusterOptions): string {
  return join(directory, 'snapshot');
}

/** Grows with the cluster: at most some thirty words a second of all nodes together. */
function leaseFor(leaseMs: number, nodes: number): number {
  return Math.max(leaseMs, nodes * 100);
}
