import test, { type ExecutionContext } from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Gossip } from '../../ts/cluster/gossip/gossip.js';
import { guardLimits } from '../../ts/cluster/gossip/guard.js';
import { createHost, type Host, multiaddrText } from '../../ts/cluster/gossip/host.js';
import { ClusterProtector } from '../../ts/cluster/gossip/protector.js';
import { type GossipSetup, gossipTiming } from '../../ts/cluster/gossip/setup.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import { replicaLimits } from '../../ts/cluster/replica.js';
import { batchCodec, type SignedMessage } from '../../ts/cluster/wire.js';
import { until } from '../../ts/quickstart/until.js';
import { steadyMs } from '../../ts/util/clock.js';
import { Writer } from '../unit/cluster/writer.js';

// A machine that has the key of the cluster and means it ill, against two that do not.

const clusterId = '00000000000000bb';
const codec = new EntryCodec(clusterId, new Verifier());
const TOPIC = 'vipd/entries/1';
const PATIENCE_MS = 60_000;
/** Entries one node may have. */
const ROOM = 500;
let port = 30_000 + (process.pid % 300) * 16;

class Good {
  readonly identity = Identity.random();
  readonly writer = new Writer(this.identity, codec);
  readonly faults = new Map<string, string>();
  readonly store: Gossip;
  heard = 0;

  constructor(readonly setup: GossipSetup) {
    this.store = new Gossip({ ...setup, seed: this.identity.seed });
  }

  async open(): Promise<void> {
    await this.store.open({
      heard: (entries) => {
        this.heard += entries.length;
      },
      neighbours: () => {},
      fault: (about, fault) => void (fault ? this.faults.set(about, fault.code) : this.faults.delete(about)),
    });
    this.store.put([this.writer.node(1, 1)]);
  }
}

async function scene(t: ExecutionContext): Promise<{ a: Good; b: Good; evil: Host; mallory: Identity }> {
  const first = ++port;
  const setup = (at: number): GossipSetup => ({
    seed: new Uint8Array(),
    clusterId,
    clusterKeys: [new Uint8Array(32).fill(5)],
    listen: { address: '127.0.0.1', port: at },
    seeds: [`127.0.0.1:${first}`],
    timing: gossipTiming,
    limits: { ...guardLimits, bytes: 4 << 20 },
    room: { ...replicaLimits, entriesPerOwner: ROOM },
  });
  const [a, b] = [new Good(setup(first)), new Good(setup(++port))];
  const mallory = Identity.random();
  const evilSetup = { ...setup(++port), seed: mallory.seed };
  const protector = new ClusterProtector(evilSetup.clusterKeys, () => {});
  const evil = await createHost(evilSetup, { protector, admits: () => true });
  t.teardown(() => Promise.all([a.store.close(), b.store.close(), evil.stop()]).then(() => {}));
  await Promise.all([a.open(), b.open()]);
  await until(
    'two neighbours',
    PATIENCE_MS,
    () => a.store.neighbours().length === 1 && b.store.neighbours().length === 1,
  );
  evil.services.pubsub.subscribe(TOPIC);
  const { multiaddr } = await import('@multiformats/multiaddr');
  await evil.dial(multiaddr(multiaddrText(a.setup.listen)));
  await until('a subscriber', PATIENCE_MS, () => evil.services.pubsub.getSubscribers(TOPIC).length > 0);
  return { a, b, evil, mallory };
}

const send = (evil: Host, data: Uint8Array) => evil.services.pubsub.publish(TOPIC, data).catch(() => {});
const batch = (...entries: SignedMessage[]) => batchCodec.encode({ entries });

test.serial('who sends rubbish is shut out by name, and the others go on', async (t) => {
  const { a, b, evil, mallory } = await scene(t);
  for (let i = 0; i < 20; i++) await send(evil, Uint8Array.of(0xff, i, 0xff));
  await until('the ban', PATIENCE_MS, () => a.faults.get(`ban ${mallory.id}`) === 'PEER_MISBEHAVES');
  await until('the end of its connection', PATIENCE_MS, () => evil.getConnections().length === 0);
  const heard = b.heard;
  a.store.put([a.writer.vip('tcp/11.0.0.1:80', 1, 2)]);
  await until('what the others say', PATIENCE_MS, () => b.heard > heard);
  t.deepEqual(
    a.store.neighbours().map(({ id }) => id),
    [b.identity.id],
  );
});

test.serial('who speaks in the name of another is shut out too, and nobody believes it', async (t) => {
  const { a, b, evil, mallory } = await scene(t);
  const genuine = a.writer.vip('tcp/11.0.0.1:80', 9, 9);
  const forged = new Writer(mallory, codec).vip('tcp/11.0.0.1:80', 9, 9);
  const before = b.heard;
  for (let i = 0; i < 20; i++) {
    await send(
      evil,
      batch({ entry: genuine.entry, signature: forged.signature }, new Writer(mallory, codec).node(1, i + 1)),
    );
  }
  await until('the ban', PATIENCE_MS, () => a.faults.get(`ban ${mallory.id}`) === 'PEER_MISBEHAVES');
  t.is(b.heard, before);
});

test.serial('what is said again changes nothing and is not handed on', async (t) => {
  const { a, b, evil } = await scene(t);
  const old = a.writer.vip('tcp/11.0.0.1:80', 1, 2);
  a.store.put([old, a.writer.vip('tcp/11.0.0.1:80', 1, 3)]);
  await until('the later one', PATIENCE_MS, () => b.heard >= 2);
  const [heard, known] = [b.heard, (await a.store.stats()).counters.old!];
  // Each message differs, so that gossip alone does not take it for one it has seen.
  for (let i = 1; i <= 50; i++) await send(evil, batch(...Array.from({ length: i }, () => old)));
  await until('fifty of them', PATIENCE_MS, async () => (await a.store.stats()).counters.old! >= known + 1000);
  t.is(b.heard, heard);
  t.is((await a.store.stats()).gauges.bans, 0);
});

test.serial('who floods is shut out', async (t) => {
  const { a, evil, mallory } = await scene(t);
  const writer = new Writer(mallory, codec);
  const large = (i: number) =>
    batch(
      ...Array.from({ length: 2 }, (_, k) =>
        writer.vip('tcp/11.0.0.1:80', 1, i * 2 + k, { policy: 'x'.repeat(400_000) }),
      ),
    );
  for (let i = 1; i < 200 && a.faults.size === 0; i++) await send(evil, large(i));
  await until('the ban', PATIENCE_MS, () => a.faults.has(`ban ${mallory.id}`) || evil.getConnections().length === 0);
  t.true((await a.store.stats()).gauges.bytes! < 17 << 20);
});

test.serial(
  'who claims more than there is room for is named and shut out, and those who hand it on are not',
  async (t) => {
    const { a, b, evil, mallory } = await scene(t);
    const writer = new Writer(mallory, codec);
    const key = (i: number) => `tcp/11.0.${i >> 8}.${i & 255}:80`;
    const claims = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => writer.vip(key(from + i), 1, from + i));
    // One part of them is known to each before they hear the other one.
    a.store.restore(claims(1, ROOM).map((signed) => ({ signed, at: steadyMs() })));
    b.store.restore(claims(ROOM + 1, ROOM).map((signed) => ({ signed, at: steadyMs() })));
    const greedy = new Writer(Identity.random(), codec);
    a.store.restore(Array.from({ length: ROOM }, (_, i) => ({ signed: greedy.vip(key(i), 1, i + 1), at: steadyMs() })));
    for (let i = ROOM; i < ROOM + 20; i++) await send(evil, batch(greedy.vip(key(i), 1, i + 1)));
    await until('the name of the other', PATIENCE_MS, () => a.faults.get(`limit ${greedy.identity.id}`) !== undefined);
    await until('all of it', PATIENCE_MS, async () => (await a.store.stats()).counters.bad === 20);
    t.is((await a.store.stats()).gauges.bans, 0, 'who hands on is not who claims');
    for (let i = 0; i < 20; i++) await send(evil, batch(...claims(2 * ROOM + 1 + i * 50, 50)));
    await until('its name', PATIENCE_MS, () => a.faults.get(`limit ${mallory.id}`) === 'NODE_OVER_LIMIT');
    await until('the ban', PATIENCE_MS, () => a.faults.get(`ban ${mallory.id}`) === 'PEER_MISBEHAVES');
    const { comparisons } = (await a.store.stats()).counters;
    await until(
      'comparisons',
      PATIENCE_MS,
      async () => (await a.store.stats()).counters.comparisons! > comparisons! + 3,
    );
    const heard = b.heard;
    a.store.put([a.writer.vip('tcp/11.1.0.1:80', 1, 2)]);
    await until('what the others say', PATIENCE_MS, () => b.heard > heard);
    for (const { store } of [a, b]) {
      t.is(store.neighbours().length, 1);
      t.true((await store.stats()).gauges.entries! <= 2 * ROOM + 3);
    }
    t.false(b.faults.has(`ban ${a.identity.id}`));
  },
);

test.serial('who wants everything compared all the time is shut out', async (t) => {
  const { a, evil, mallory } = await scene(t);
  const [connection] = evil.getConnections();
  for (let i = 0; i < 400 && connection!.status === 'open'; i++) {
    const stream = await connection!.newStream('/vipd/compare/1').catch(() => undefined);
    stream?.abort(new Error('never mind'));
  }
  await until('the ban', PATIENCE_MS, () => a.faults.get(`ban ${mallory.id}`) === 'PEER_MISBEHAVES');
  t.is((await a.store.stats()).gauges.neighbours, 1);
});
