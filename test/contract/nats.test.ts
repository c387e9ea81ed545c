import { randomBytes } from 'node:crypto';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import test from 'ava';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import { NatsStore } from '../../ts/cluster/nats/nats.js';
import { natsTiming } from '../../ts/cluster/nats/setup.js';
import { batchCodec, entryCodec } from '../../ts/cluster/wire.js';
import { until } from '../../ts/quickstart/until.js';
import { VipdError } from '../../ts/util/errors.js';
import { NatsServer, Relay } from '../helpers/nats.js';
import { program } from '../helpers/needs.js';
import { Writer } from '../unit/cluster/writer.js';
import { contractCluster, contractOfClusterStore } from './cluster.js';

const need = program('nats-server');
const PATIENCE_MS = 60_000;
const KEY = 'tcp/11.0.0.1:80';
let server: NatsServer;

const newCluster = () => randomBytes(8).toString('hex');
const storeOf = (clusterId: string, { id }: Identity, forgetMs = natsTiming.forgetMs, url = server.url) => {
  const timing = { ...natsTiming, beatMs: 200, sweepMs: 200, forgetMs };
  return new NatsStore({ clusterId, servers: [url], timing }, id);
};

/** One node that speaks, and what another has heard of it. */
async function pair(clusterId: string) {
  const [speaker, listener] = [Identity.random(), Identity.random()];
  const writer = new Writer(speaker, new EntryCodec(clusterId, new Verifier()));
  const [from, to] = [storeOf(clusterId, speaker), storeOf(clusterId, listener)];
  const seen = { heard: 0, neighbours: 0, faults: new Set<string>() };
  await from.open({ heard: () => {}, neighbours: () => {}, fault: () => {} });
  await to.open({
    heard: (entries) => {
      seen.heard += entries.length;
    },
    neighbours: (list) => {
      seen.neighbours = list.length;
    },
    fault: (_, fault) => void (fault && seen.faults.add(fault.code)),
  });
  return { from, to, writer, seen };
}

if (!need.there && !need.expected) test.skip('the cluster over NATS [needs nats-server]', () => {});
else {
  test.before(async () => {
    server = await NatsServer.start();
  });
  test.after.always(() => server?.remove());

  contractOfClusterStore(test, 'nats', (forgetMs) => (identity) => storeOf(contractCluster, identity, forgetMs));

  test.serial('who was long without servers, and forgotten meanwhile, is there with all it said', async (t) => {
    const clusterId = newCluster();
    const FORGET_MS = 4_000;
    const [away, there] = [Identity.random(), Identity.random()];
    const writer = new Writer(away, new EntryCodec(clusterId, new Verifier()));
    const heard: string[] = [];
    const line = await Relay.to(server.port);
    const [from, to] = [storeOf(clusterId, away, FORGET_MS, line.url), storeOf(clusterId, there, FORGET_MS)];
    t.teardown(() => Promise.all([from.close(), to.close(), line.close()]).then(() => {}));
    const deaf = { heard: () => {}, neighbours: () => {}, fault: () => {} };
    await from.open(deaf);
    await to.open({
      ...deaf,
      heard: (list) => heard.push(...list.map(({ signed }) => entryCodec.decode(signed.entry).key)),
    });
    const lease = { leaseMs: FORGET_MS / 2 };
    from.put([writer.vip(KEY, 1, 1), writer.node(1, 2, lease)]);
    await until('its words', PATIENCE_MS, () => heard.length === 2);
    await line.cut();
    await until('it to be forgotten', PATIENCE_MS, async () => (await to.stats()).gauges.owners === 0);
    heard.length = 0;
    await line.mend();
    await until('all of them again', PATIENCE_MS, () => heard.includes(KEY) && heard.includes(''));
    t.is((await to.stats()).gauges.entries, 2);
  });

  test.serial(
    'while no server answers nobody is in sight, and what is said meanwhile arrives afterwards',
    async (t) => {
      const { from, to, writer, seen } = await pair(newCluster());
      t.teardown(() => Promise.all([from.close(), to.close()]).then(() => {}));
      from.put([writer.vip(KEY, 1, 1)]);
      await until('the first word', PATIENCE_MS, () => seen.heard === 1 && seen.neighbours === 1);
      await server.down();
      await until('nobody', PATIENCE_MS, () => seen.neighbours === 0);
      from.put([writer.vip(KEY, 1, 2)]);
      t.is(seen.heard, 1);
      await server.up();
      await until('the second word', PATIENCE_MS, () => seen.heard === 2 && seen.neighbours === 1);
    },
  );

  test.serial('what its owner has not signed is refused and named', async (t) => {
    const clusterId = newCluster();
    const { from, to, writer, seen } = await pair(clusterId);
    const connection = await connect({ servers: server.url });
    t.teardown(() => Promise.all([from.close(), to.close(), connection.close()]).then(() => {}));
    const bucket = await new Kvm(connection).open(`vipd-${clusterId}`);
    const { entry } = writer.vip(KEY, 1, 1);
    await bucket.put('rubbish', Uint8Array.of(0xff, 0xff));
    await bucket.put('forged', batchCodec.encode({ entries: [{ entry, signature: new Uint8Array(64) }] }));
    await until('the complaint', PATIENCE_MS, () => seen.faults.has('SIGNATURE_INVALID'));
    t.is(seen.heard, 0);
    from.put([writer.vip(KEY, 1, 1)]);
    await until('the genuine word', PATIENCE_MS, () => seen.heard === 1);
  });

  test.serial('entries below the floor of their owner leave the bucket', async (t) => {
    const clusterId = newCluster();
    const { from, to, writer, seen } = await pair(clusterId);
    const connection = await connect({ servers: server.url });
    t.teardown(() => Promise.all([from.close(), to.close(), connection.close()]).then(() => {}));
    const bucket = await new Kvm(connection).open(`vipd-${clusterId}`);
    from.put([writer.vip(KEY, 1, 1), writer.node(1, 2)]);
    await until('two entries', PATIENCE_MS, async () => (await bucket.status()).values === 2);
    from.put([writer.node(2, 1, { floorIncarnation: 2 })]);
    await until('one entry', PATIENCE_MS, async () => (await bucket.status()).values === 1);
    t.true(seen.heard >= 1);
  });

  test.serial('where no server is, that is said with the place', async (t) => {
    const setup = { clusterId: newCluster(), servers: ['nats://127.0.0.1:9'], timing: natsTiming };
    const store = new NatsStore(setup, Identity.random().id);
    const opened = store.open({ heard: () => {}, neighbours: () => {}, fault: () => {} });
    const error = await t.throwsAsync(opened, { instanceOf: VipdError, code: 'CLUSTER_NATS_FAILED' });
    t.is(error?.fault.object, 'nats://127.0.0.1:9');
    await store.close();
  });
}
