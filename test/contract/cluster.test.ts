import test from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Gossip } from '../../ts/cluster/gossip/gossip.js';
import type { GossipSetup } from '../../ts/cluster/gossip/setup.js';
import { GossipThread } from '../../ts/cluster/gossip/thread.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import type { Heard } from '../../ts/cluster/store.js';
import { until } from '../../ts/quickstart/until.js';
import { Hub } from '../helpers/hub.js';
import { Writer } from '../unit/cluster/writer.js';
import { contractCluster, contractOfClusterStore } from './cluster.js';

contractOfClusterStore(test, 'memory', () => {
  const hub = new Hub(contractCluster);
  return ({ id }) => hub.store(id);
});

const codec = new EntryCodec(contractCluster, new Verifier());
const timing = { beatMs: 200, deadlineMs: 3_000, compareMs: 2_000, meshMs: 200 };

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

contractOfClusterStore(test, 'gossip', () => {
  const setup = setups();
  return (identity) => new Gossip(setup(identity));
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
