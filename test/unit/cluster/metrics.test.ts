import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Cluster } from '../../../ts/cluster/cluster.js';
import { newCounters } from '../../../ts/cluster/gossip/traffic.js';
import { Identity } from '../../../ts/cluster/identity.js';
import { clusterCollector } from '../../../ts/cluster/metrics.js';
import { Hub } from '../../helpers/hub.js';
import { clusterId, nodeMessage } from './writer.js';

test('everything that is counted of the traffic is told, and what is kept and waiting', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-metrics-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [identity, hub] = [Identity.random(), new Hub(clusterId)];
  const counted = Object.keys(newCounters());
  const counters = Object.fromEntries(counted.map((name, i) => [name, 1000 + i]));
  const store = hub.store(identity.id);
  store.neighbours = () => [{ id: 'other', rttMs: 2 }];
  store.stats = async () => ({ counters, gauges: { queued: 70, untold: 4, streams: 6, bans: 1 } });
  const room = { vips: 8192, backends: 32_768 };
  const options = { clusterId, directory, facts: nodeMessage, leaseMs: 60_000, forgetMs: 600_000, room };
  const cluster = await Cluster.start(options, { identity, store });
  t.teardown(() => cluster.stop());
  const metrics = await clusterCollector(() => cluster)();
  const values = metrics.flatMap(({ samples }) => samples.map(({ value }) => value));
  for (const [i, name] of counted.entries()) t.true(values.includes(1000 + i), name);
  const measured = (name: string) =>
    metrics.find((metric) => metric.name === `vipd_cluster_${name}`)!.samples[0]!.value;
  t.is(measured('queued_bytes'), 70);
  t.is(measured('untold'), 4);
  t.is(measured('bans'), 1);
  t.is(measured('rtt_seconds'), 0.002);
  t.deepEqual(await clusterCollector(() => undefined)(), []);
});
