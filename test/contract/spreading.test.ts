import { multiaddr } from '@multiformats/multiaddr';
import test from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Gossip } from '../../ts/cluster/gossip/gossip.js';
import { createHost, multiaddrText } from '../../ts/cluster/gossip/host.js';
import { ClusterProtector } from '../../ts/cluster/gossip/protector.js';
import type { GossipSetup } from '../../ts/cluster/gossip/setup.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import { batchCodec } from '../../ts/cluster/wire.js';
import { until } from '../../ts/quickstart/until.js';
import { steadyMs } from '../../ts/util/clock.js';
import { Writer } from '../unit/cluster/writer.js';

const clusterId = '00000000000000cc';
const codec = new EntryCodec(clusterId, new Verifier());
const TOPIC = 'vipd/entries/1';
const PATIENCE_MS = 30_000;
/** Nothing is compared but when two meet. */
const timing = { beatMs: 300_000, deadlineMs: 900_000, compareMs: 300_000, meshMs: 500, forgetMs: 86_400_000 };
const first = 25_000 + (process.pid % 300) * 16;

function setup(place: number, identity: Identity): GossipSetup {
  return {
    seed: identity.seed,
    clusterId,
    clusterKeys: [new Uint8Array(32).fill(7)],
    listen: { address: '127.0.0.1', port: first + place },
    seeds: [`127.0.0.1:${first}`],
    timing,
  };
}

test.serial('what a comparison brought before the message did is still handed on when that comes', async (t) => {
  const [between, behind, source] = [0, 1, 2].map((place) => new Gossip(setup(place, Identity.random())));
  const heard = { between: 0, behind: 0 };
  const listener = (who: keyof typeof heard) => ({
    heard: (entries: readonly unknown[]) => {
      heard[who] += entries.length;
    },
    neighbours: () => {},
    fault: () => {},
  });
  const speaker = setup(3, Identity.random());
  const protector = new ClusterProtector(speaker.clusterKeys, () => {});
  const host = await createHost(speaker, { protector, admits: () => true });
  t.teardown(() => Promise.all([between!.close(), behind!.close(), source!.close(), host.stop()]).then(() => {}));

  await between!.open(listener('between'));
  await behind!.open(listener('behind'));
  await until('neighbours', PATIENCE_MS, () => behind!.neighbours().length === 1);
  // It says this before it has met anybody: only by comparing can the one in between learn of it.
  const entry = new Writer(Identity.random(), codec).vip('tcp/11.0.0.1:80', 1, 1);
  source!.restore([{ signed: entry, at: steadyMs() }]);
  await source!.open({ heard: () => {}, neighbours: () => {}, fault: () => {} });
  await until('the comparison', PATIENCE_MS, () => heard.between === 1);
  t.is(heard.behind, 0);

  host.services.pubsub.subscribe(TOPIC);
  await host.dial(multiaddr(multiaddrText({ address: '127.0.0.1', port: first })));
  await until('a subscriber', PATIENCE_MS, () => host.services.pubsub.getSubscribers(TOPIC).length > 0);
  await host.services.pubsub.publish(TOPIC, batchCodec.encode({ entries: [entry] }));
  await until('it behind the one in between', PATIENCE_MS, () => heard.behind === 1);
  t.is((await between!.stats()).counters.fresh, 1);
});
