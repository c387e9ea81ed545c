import { EntryCodec } from '../../ts/cluster/entry.js';
import { type NodeId, Verifier } from '../../ts/cluster/identity.js';
import { Replica } from '../../ts/cluster/replica.js';
import type { ClusterStore, Heard, Neighbour, StoreListener, StoreStats } from '../../ts/cluster/store.js';
import type { SignedMessage } from '../../ts/cluster/wire.js';
import { steadyMs } from '../../ts/util/clock.js';

/** A network in memory: stores that are plugged in hear each other, as far as the test lets them. */
export class Hub {
  readonly #plugged = new Map<NodeId, HubStore>();
  /** Whether two nodes can talk. */
  #linked: (a: NodeId, b: NodeId) => boolean = () => true;
  /** Entries that were carried, and their bytes. */
  carried = { entries: 0, bytes: 0 };

  /** @param forgetMs a node that says nothing for longer is forgotten */
  constructor(
    readonly clusterId: string,
    readonly forgetMs = Number.POSITIVE_INFINITY,
  ) {}

  store(id: NodeId): HubStore {
    return new HubStore(this, id);
  }

  /** Changes who can talk with whom; those that can again compare what they have. */
  link(linked: (a: NodeId, b: NodeId) => boolean): void {
    this.#linked = linked;
    for (const store of this.#plugged.values()) store.meet(this.others(store.id));
    for (const store of this.#plugged.values())
      for (const other of this.others(store.id)) for (const heard of other.held()) store.hear(heard);
  }

  /** Every plugged store hears it, whoever brought it. */
  inject(heard: Heard): void {
    for (const store of this.#plugged.values()) store.hear(heard);
  }

  others(id: NodeId): readonly HubStore[] {
    return [...this.#plugged.values()].filter((other) => other.id !== id && this.#linked(id, other.id));
  }

  plug(store: HubStore): void {
    this.#plugged.set(store.id, store);
    this.link(this.#linked);
  }

  unplug(store: HubStore): void {
    this.#plugged.delete(store.id);
    for (const other of this.#plugged.values()) other.meet(this.others(other.id));
  }
}

export class HubStore implements ClusterStore {
  readonly name = 'memory';
  readonly #replica: Replica;
  #listener: StoreListener | undefined;
  #met = '';
  #sweep: NodeJS.Timeout | undefined;

  constructor(
    private readonly hub: Hub,
    readonly id: NodeId,
  ) {
    this.#replica = new Replica(new EntryCodec(hub.clusterId, new Verifier()));
  }

  async open(listener: StoreListener): Promise<void> {
    this.#listener = listener;
    this.#sweep = setInterval(() => this.#forget(), 100);
    this.hub.plug(this);
  }

  put(entries: readonly SignedMessage[]): void {
    const at = steadyMs();
    for (const signed of entries) if (this.#replica.accept(signed, at).kind === 'new') this.#spread({ signed, at });
  }

  restore(entries: readonly Heard[]): void {
    for (const heard of entries) {
      const news = this.#replica.accept(heard.signed, heard.at).kind === 'new';
      if (news && this.#listener) this.#spread(heard);
    }
  }

  hear(heard: Heard): void {
    if (!this.#listener || heard.at < steadyMs() - this.hub.forgetMs) return;
    if (this.#replica.accept(heard.signed, heard.at).kind !== 'new') return;
    this.#listener.heard([heard]);
    this.#spread(heard);
  }

  meet(others: readonly HubStore[]): void {
    const met = others.map(({ id }) => id).join();
    if (met === this.#met) return;
    this.#met = met;
    this.#listener?.neighbours(this.neighbours());
  }

  neighbours(): readonly Neighbour[] {
    return this.#listener ? this.hub.others(this.id).map(({ id }) => ({ id })) : [];
  }

  held(): readonly Heard[] {
    return [...this.#replica.holdings()].flatMap(({ entries, heard }) =>
      Array.from(entries.values(), ({ signed }) => ({ signed, at: heard })),
    );
  }

  async stats(): Promise<StoreStats> {
    return { counters: {}, gauges: this.#replica.size() };
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    clearInterval(this.#sweep);
    this.hub.unplug(this);
  }

  #forget(): void {
    for (const owner of this.#replica.silentSince(steadyMs() - this.hub.forgetMs)) this.#replica.forget(owner);
  }

  #spread(heard: Heard): void {
    for (const other of this.hub.others(this.id)) {
      this.hub.carried.entries += 1;
      this.hub.carried.bytes += heard.signed.entry.length + heard.signed.signature.length;
      other.hear(heard);
    }
  }
}
