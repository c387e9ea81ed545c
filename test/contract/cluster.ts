import type { TestFn } from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import type { ClusterStore, Heard } from '../../ts/cluster/store.js';
import { entryCodec } from '../../ts/cluster/wire.js';
import { until } from '../../ts/quickstart/until.js';
import { steadyMs } from '../../ts/util/clock.js';
import { nodeMessage, Writer } from '../unit/cluster/writer.js';

export const contractCluster = '00000000000000aa';

/** Makes stores of one new cluster; the first is where the others can meet it. */
export type Network = (identity: Identity) => ClusterStore;

/** One store under test with what it has heard. */
class Node {
  readonly identity = Identity.random();
  readonly writer = new Writer(this.identity, new EntryCodec(contractCluster, new Verifier()));
  readonly heard: Heard[] = [];
  readonly store: ClusterStore;
  neighbours: readonly string[] = [];

  constructor(network: Network) {
    this.store = network(this.identity);
  }

  open(): Promise<void> {
    return this.store.open({
      heard: (entries) => this.heard.push(...entries),
      neighbours: (list) => {
        this.neighbours = list.map(({ id }) => id);
      },
      fault: () => {},
    });
  }

  /** Greatest version heard of a key of another node. */
  version(of: Node, key: string): number {
    const owner = Buffer.from(of.identity.publicKey);
    const messages = this.heard.map(({ signed }) => entryCodec.decode(signed.entry));
    const own = messages.filter((one) => owner.equals(one.owner) && one.key === key);
    return Math.max(0, ...own.map(({ version }) => version));
  }
}

const KEY = 'tcp/11.0.0.1:80';
/** Number 99, a text. */
const UNKNOWN_FIELD = Buffer.concat([Buffer.from([0x9a, 0x06, 0x03]), Buffer.from('new')]);
const PATIENCE_MS = 60_000;
/** Short, yet longer than a busy machine keeps anybody from speaking. */
const FORGET_MS = 5_000;

/** What every cluster store must do. */
export function contractOfClusterStore(test: TestFn, name: string, newNetwork: (forgetMs?: number) => Network): void {
  async function nodes(t: { teardown(undo: () => Promise<void>): void }, count: number, forgetMs?: number) {
    const network = newNetwork(forgetMs);
    const all: Node[] = [];
    for (let i = 0; i < count; i++) all.push(await another(t, network));
    return { network, all };
  }

  async function another(t: { teardown(undo: () => Promise<void>): void }, network: Network): Promise<Node> {
    const node = new Node(network);
    t.teardown(() => node.store.close());
    await node.open();
    node.store.put([node.writer.node(1, 1, nodeMessage)]);
    return node;
  }

  const hear = (who: Node, of: Node, version: number) =>
    until(`version ${version}`, PATIENCE_MS, () => who.version(of, KEY) >= version);

  test.serial(`${name}: what one node puts all others hear, the later of two at last`, async (t) => {
    const { all } = await nodes(t, 3);
    const [a, b, c] = all as [Node, Node, Node];
    for (let version = 2; version <= 6; version++) a.store.put([a.writer.vip(KEY, 1, version)]);
    await Promise.all([hear(b, a, 6), hear(c, a, 6)]);
    t.is(b.version(a, KEY), 6);
    t.is(c.version(a, KEY), 6);
    t.true(
      a.heard.every(({ signed }) => !Buffer.from(entryCodec.decode(signed.entry).owner).equals(a.identity.publicKey)),
    );
  });

  test.serial(`${name}: who joins later hears everything, also what was known before a restart`, async (t) => {
    const { network, all } = await nodes(t, 2);
    const [a] = all as [Node, Node];
    const absent = new Node(() => a.store);
    a.store.put([a.writer.vip(KEY, 1, 2)]);
    a.store.restore([{ signed: absent.writer.vip(KEY, 1, 9), at: steadyMs() - 1000 }]);
    const late = await another(t, network);
    await hear(late, a, 2);
    await hear(late, absent, 9);
    t.pass();
  });

  test.serial(`${name}: an entry of a later release goes to all as its owner has signed it`, async (t) => {
    const { network, all } = await nodes(t, 2);
    // The first is where the late one can meet the cluster.
    const [a, b] = all as [Node, Node];
    const entry = Buffer.concat([b.writer.vip(KEY, 1, 2).entry, UNKNOWN_FIELD]);
    const signature = b.identity.sign(Buffer.concat([Buffer.from(`vipd-entry-1\0${contractCluster}\0`), entry]));
    b.store.put([{ entry, signature }]);
    await hear(a, b, 2);
    await b.store.close();
    const late = await another(t, network);
    for (const node of [a, late]) {
      await hear(node, b, 2);
      const arrived = node.heard.find(({ signed }) => entry.equals(signed.entry));
      t.deepEqual(Buffer.from(arrived?.signed.signature ?? ''), Buffer.from(signature));
    }
  });

  test.serial(`${name}: neighbours are those that are there`, async (t) => {
    const { all } = await nodes(t, 3);
    const [a, b, c] = all as [Node, Node, Node];
    const ids = (...list: readonly Node[]) =>
      list
        .map(({ identity }) => identity.id)
        .sort()
        .join();
    await until('all neighbours', PATIENCE_MS, () => [...a.neighbours].sort().join() === ids(b, c));
    await b.store.close();
    await until('one neighbour less', PATIENCE_MS, () => [...a.neighbours].sort().join() === ids(c));
    t.deepEqual(
      a.store.neighbours().map(({ id }) => id),
      [c.identity.id],
    );
  });

  test.serial(
    `${name}: who is silent for too long is forgotten by all, and those that come later never hear it`,
    async (t) => {
      const { network, all } = await nodes(t, 2, FORGET_MS);
      const [a, b] = all as [Node, Node];
      const speaking = { ...nodeMessage, leaseMs: FORGET_MS / 2 };
      const gone = new Node(() => a.store);
      a.store.restore([
        { signed: gone.writer.node(1, 1, speaking), at: steadyMs() },
        { signed: gone.writer.vip(KEY, 1, 2), at: steadyMs() },
      ]);
      a.store.put([a.writer.vip(KEY, 1, 2)]);
      let version = 2;
      const renewal = setInterval(() => {
        version += 1;
        for (const node of all) node.store.put([node.writer.node(1, version, speaking)]);
      }, FORGET_MS / 10);
      t.teardown(async () => clearInterval(renewal));
      await Promise.all([hear(b, gone, 2), hear(b, a, 2)]);
      const owners = () => Promise.all(all.map(async ({ store }) => (await store.stats()).gauges.owners));
      await until('all to forget it', PATIENCE_MS, async () => (await owners()).every((count) => count === 2));
      const late = await another(t, network);
      await hear(late, a, 2);
      await until('all that is left', PATIENCE_MS, async () => (await late.store.stats()).gauges.owners === 3);
      t.is(late.version(gone, KEY), 0);
    },
  );

  test.serial(`${name}: after close nothing is heard`, async (t) => {
    const { all } = await nodes(t, 2);
    const [a, b] = all as [Node, Node];
    a.store.put([a.writer.vip(KEY, 1, 2)]);
    await hear(b, a, 2);
    await b.store.close();
    const before = b.heard.length;
    a.store.put([a.writer.vip(KEY, 1, 3)]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.is(b.heard.length, before);
    await t.notThrowsAsync(b.store.close());
  });
}
