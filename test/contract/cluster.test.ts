import test from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Gossip } from '../../ts/cluster/gossip/gossip.js';
import type { GossipSetup } from '../../ts/cluster/gossip/setup.js';
import { GossipThread } from '../../ts/cluster/gossip/thread.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import type { Heard } from '../../ts/cluster/store.js';
import { until } from '../../ts/quickstart/until.js';
import { steadyMs } from '../../ts/util/clock.js';
import { Hub } from '../helpers/hub.js';
import { Writer } from '../unit/cluster/writer.js';
import { contractCluster, contractOfClusterStore } from './cluster.js';

contractOfClusterStore(test, 'memory', (forgetMs) => {
  const hub = new Hub(contractCluster, forgetMs);
  return ({ id }) => hub.store(id);
});

const codec = new EntryCodec(contractCluster, new Verifier());
const timing = { beatMs: 200, deadlineMs: 3_000, compareMs: 2_000, meshMs: 200, forgetMs: 86_400_000 };

/** Below those the kernel hands out, and apart from those of a test that runs beside this one. */
let port = 10_000 + (process.pid % 300) * 64;

function setups(): (identity: Identity) => GossipSetup {
  const seed = port + 1;
  return ({ seed: key }) => ({
    seed: key,
    clusterId: contractCluster,
    clusterKeys: [new Uint8Array(32).fill(9)],
    listen: { address: '127.0.0.1', port: ++port },
    seeds: [`127.0.0.1:${seed}`],
    timing,
  });
}

contractOfClusterStore(test, 'gossip', (forgetMs = timing.forgetMs) => {
  const setup = setups();
  return (identity) => new Gossip({ ...setup(identity), timing: { ...timing, forgetMs } });
});

test.serial('gossip: a seed whose machine comes back with a new key is met again', async (t) => {
  const setup = setups();
  const [first, second, third] = [Identity.random(), Identity.random(), Identity.random()];
  const at = setup(first);
  const seed = new Gossip(at);
  const other = new Gossip(setup(second));
  const reborn = new Gossip({ ...at, seed: third.seed, seeds: [] });
  t.teardown(() => Promise.all([seed, other, reborn].map((one) => one.close())).then(() => {}));
  const deaf = { heard: () => {}, neighbours: () => {}, fault: () => {} };
  const met = (id: string) =>
    until(`${id} to be met`, 60_000, () => other.neighbours().some((neighbour) => neighbour.id === id));
  await Promise.all([seed.open(deaf), other.open(deaf)]);
  const { address, port: number } = at.listen;
  seed.put([new Writer(first, codec).node(1, 1, { reach: [`${address}:${number}`] })]);
  await met(first.id);
  await until('its place to be known', 60_000, async () => (await other.stats()).gauges.owners === 1);
  await seed.close();
  await reborn.open(deaf);
  await met(third.id);
  t.pass();
});

test.serial('gossip: a node without seeds finds those it has known before', async (t) => {
  const setup = setups();
  const identity = Identity.random();
  const [known, other] = [setup(identity), setup(Identity.random())];
  const [there, back] = [new Gossip({ ...known, seeds: [] }), new Gossip({ ...other, seeds: [] })];
  t.teardown(() => Promise.all([there.close(), back.close()]).then(() => {}));
  for (const one of [there, back]) await one.open({ heard: () => {}, neighbours: () => {}, fault: () => {} });
  const reach = [`${known.listen.address}:${known.listen.port}`];
  back.restore([{ signed: new Writer(identity, codec).node(1, 1, { reach }), at: steadyMs() - 3_600_000 }]);
  await until('a neighbour', 60_000, () => back.neighbours().some(({ id }) => id === identity.id));
  t.pass();
});

test.serial('gossip: who is silent for too long is forgotten, and does not come back by others', async (t) => {
  const setup = setups();
  const short = { ...timing, compareMs: 100, forgetMs: 2_000 };
  const identities = [Identity.random(), Identity.random()];
  const both = identities.map((identity) => new Gossip({ ...setup(identity), timing: short }));
  t.teardown(() => Promise.all(both.map((one) => one.close())).then(() => {}));
  const owners = () => Promise.all(both.map(async (one) => (await one.stats()).gauges.owners));
  for (const one of both) await one.open({ heard: () => {}, neighbours: () => {}, fault: () => {} });
  const gone = new Writer(Identity.random(), codec);
  both[0]!.restore([{ signed: gone.node(1, 1), at: steadyMs() }]);
  await until('both to know it', 60_000, async () => (await owners()).join() === '1,1');
  await until('both to forget it', 60_000, async () => (await owners()).join() === '0,0');
  const comparisons = async () => (await both[1]!.stats()).counters.comparisons!;
  const before = await comparisons();
  await until('more comparisons', 60_000, async () => (await comparisons()) > before + 5);
  t.is((await owners()).join(), '0,0');
});

test.serial('gossip in a thread of its own: it hears, is heard, and says why it cannot begin', async (t) => {
  const setup = setups();
  const [mine, other] = [Identity.random(), Identity.random()];
  const [near, far] = [new GossipThread(setup(mine), () => {}), new Gossip(setup(other))];
  t.teardown(() => Promise.all([near.close(), far.close()]).then(() => {}));
  const heard: number[] = [];
  const listen = (list: number[]) => ({
    heard: (entries: readonly Heard[]) => void list.push(entries.length),
    neighbours: () => {},
    fault: () => {},
  });
  const heardFar: number[] = [];
  await near.open(listen(heard));
  await far.open(listen(heardFar));
  near.put([new Writer(mine, codec).node(1, 1)]);
  far.put([new Writer(other, codec).node(1, 1)]);
  await until('both to hear', 60_000, () => heard.length > 0 && heardFar.length > 0);
  t.is((await near.stats()).gauges.neighbours, 1);
  const second = new GossipThread(
    { ...setup(Identity.random()), listen: { address: '127.0.0.1', port: port - 2 } },
    () => {},
  );
  await t.throwsAsync(second.open(listen([])), { code: 'CLUSTER_LISTEN_FAILED' });
});
