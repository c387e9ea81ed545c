import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Cluster, type ClusterOptions } from '../../../ts/cluster/cluster.js';
import { EntryCodec } from '../../../ts/cluster/entry.js';
import { Identity, type NodeId, Verifier } from '../../../ts/cluster/identity.js';
import type { MemberState } from '../../../ts/cluster/membership.js';
import type { Publication } from '../../../ts/cluster/own.js';
import { Replica } from '../../../ts/cluster/replica.js';
import { writeSnapshot } from '../../../ts/cluster/snapshot.js';
import { type EntryMessage, entryCodec } from '../../../ts/cluster/wire.js';
import { until } from '../../../ts/quickstart/until.js';
import { steadyMs } from '../../../ts/util/clock.js';
import { Hub } from '../../helpers/hub.js';
import { clusterId, codec, nodeMessage, vipMessage, Writer } from './writer.js';

// Whole nodes on a network in memory, and what a machine that has the key of the cluster may do to them.

const KEY = 'tcp/11.0.0.1:80';
const PATIENCE_MS = 60_000;
const backend = (address: string): Publication => {
  const vip = vipMessage(KEY);
  return new Map([[KEY, { ...vip, backends: [{ ...vip.backends[0]!, address }] }]]);
};

interface Scene {
  readonly hub: Hub;
  readonly directory: string;
  node(address: string, given?: Given): Promise<Cluster>;
}

interface Given {
  readonly identity?: Identity;
  readonly allow?: readonly NodeId[];
  /** Of its clock, milliseconds; may change. */
  readonly ahead?: () => number;
  readonly leaseMs?: number;
}

function scene(t: ExecutionContext): Scene {
  const hub = new Hub(clusterId);
  const directory = mkdtempSync(join(tmpdir(), 'vipd-trust-'));
  const undos: (() => Promise<void>)[] = [];
  t.teardown(async () => {
    for (const undo of undos.reverse()) await undo();
    rmSync(directory, { recursive: true, force: true });
  });
  const node = async (address: string, given: Given = {}) => {
    const { identity = Identity.random(), allow, ahead = () => 0, leaseMs = 60_000 } = given;
    const options: ClusterOptions = {
      clusterId,
      directory: join(directory, address),
      facts: { ...nodeMessage, name: `node-${address}`, addresses: [address] },
      leaseMs,
      forgetMs: 600_000,
      room: { vips: 8192, backends: 32_768 },
      ...(allow && { allow }),
    };
    const modules = { identity, store: hub.store(identity.id), wall: () => Date.now() + ahead() };
    const cluster = await Cluster.start(options, modules);
    undos.push(() => cluster.stop());
    cluster.publish(backend(address), 'memory');
    return cluster;
  };
  return { hub, directory, node };
}

function stateOf(cluster: Cluster, id: NodeId): MemberState | undefined {
  return cluster.members().find((member) => member.id === id)?.state;
}

function addressesOf(cluster: Cluster): string {
  const all = cluster.view().services.flatMap(({ backends }) => backends);
  const serving = all.filter(({ origin }) => origin?.omitted === undefined);
  return serving
    .map(({ address }) => address)
    .sort()
    .join();
}

test('a node that is not on the list has no say, until it is', async (t) => {
  const { node } = scene(t);
  const [friend, stranger] = [Identity.random(), Identity.random()];
  const mine = await node('10.0.0.1', { allow: [friend.id] });
  await node('10.0.0.2', { identity: friend });
  await node('10.0.0.3', { identity: stranger });
  await until('the stranger', PATIENCE_MS, () => stateOf(mine, stranger.id) === 'refused');
  await until('the friend', PATIENCE_MS, () => addressesOf(mine) === '10.0.0.2');
  mine.allow([friend.id, stranger.id]);
  t.is(addressesOf(mine), '10.0.0.2,10.0.0.3');
  mine.allow([stranger.id]);
  t.is(addressesOf(mine), '10.0.0.3');
});

test('two machines with the key of one node: both are told, and what others see stays whole', async (t) => {
  const { hub, node } = scene(t);
  const watcher = await node('10.0.0.1');
  const identity = Identity.random();
  const victim = await node('10.0.0.2', { identity });
  await until('the victim', PATIENCE_MS, () => addressesOf(watcher) === '10.0.0.2');
  // The thief says something else with the same key, again and again, each time a life ahead.
  const thief = new Writer(identity, new EntryCodec(clusterId, new Verifier()));
  const said = { addresses: ['10.0.0.2'], name: 'thief' };
  await until('the victim to complain', PATIENCE_MS, () => {
    const incarnation = victim.self().incarnation + 1;
    hub.inject({ signed: thief.node(incarnation, 1, said), at: steadyMs() });
    return victim.faults().some(({ code }) => code === 'IDENTITY_SHARED');
  });
  await until('the last word of the victim', PATIENCE_MS, () => {
    const member = watcher.members().find(({ id }) => id === identity.id);
    return member?.node.name === 'node-10.0.0.2' && addressesOf(watcher) === '10.0.0.2';
  });
  t.true(victim.self().incarnation > 5);
});

test('a thief that speaks as the last life there can be is told at once', async (t) => {
  const { hub, node } = scene(t);
  const identity = Identity.random();
  const victim = await node('10.0.0.2', { identity });
  const thief = new Writer(identity, new EntryCodec(clusterId, new Verifier()));
  hub.inject({ signed: thief.node(0xffff_ffff, 1), at: steadyMs() });
  await until('the victim to complain', PATIENCE_MS, () =>
    victim.faults().some(({ code }) => code === 'IDENTITY_SHARED'),
  );
  t.is(victim.self().incarnation, 0xffff_ffff);
});

test('a node that comes back after so long that it should have forgotten all hears everything anew', async (t) => {
  const { hub, directory, node } = scene(t);
  const other = new Writer(Identity.random());
  const vip = other.vip(KEY, 1, 1, { backends: backend('10.0.0.2').get(KEY)!.backends });
  const before = new Replica(codec);
  for (const signed of [vip, other.node(1, 2, { addresses: ['10.0.0.2'] })])
    before.accept(signed, steadyMs() - 700_000);
  await writeSnapshot(join(directory, '10.0.0.1', 'snapshot'), 1, before);
  const mine = await node('10.0.0.1');
  await until('the first look', PATIENCE_MS, () => mine.self().incarnation === 2);
  for (const signed of [vip, other.node(1, 3, { addresses: ['10.0.0.2'] })]) hub.inject({ signed, at: steadyMs() });
  await until('its backend', PATIENCE_MS, () => addressesOf(mine) === '10.0.0.2');
  t.is(mine.vipsOf(other.identity.id), 1);
});

test('a clock that is a day off is shown, and decides nothing', async (t) => {
  const { node } = scene(t);
  const day = 86_400_000;
  const right = await node('10.0.0.1');
  const early = Identity.random();
  const late = Identity.random();
  await node('10.0.0.2', { identity: early, ahead: () => day });
  await node('10.0.0.3', { identity: late, ahead: () => -day });
  await until('all three', PATIENCE_MS, () => addressesOf(right) === '10.0.0.2,10.0.0.3');
  const skew = (id: NodeId) => right.members().find((member) => member.id === id)!.clockSkewMs;
  t.true(Math.abs(skew(early.id) - day) < PATIENCE_MS);
  t.true(Math.abs(skew(late.id) + day) < PATIENCE_MS);
  t.is(stateOf(right, early.id), 'alive');
  t.is(stateOf(right, late.id), 'alive');
});

test('a node whose VIPs change all the time renews its lease all the same', async (t) => {
  const { node } = scene(t);
  const leaseMs = 1_500;
  const mine = await node('10.0.0.1', { leaseMs });
  const busy = await node('10.0.0.2', { leaseMs });
  await until('the busy one', PATIENCE_MS, () => stateOf(mine, busy.id) === 'alive');
  const begun = performance.now();
  for (let n = 0; performance.now() - begun < 2 * leaseMs; n += 1) {
    busy.publish(backend(`10.0.0.${2 + (n % 2)}`), 'memory');
    await sleep(20);
    t.is(stateOf(mine, busy.id), 'alive', `after ${performance.now() - begun} ms`);
  }
});

test('a clock that is set while the node runs makes nobody stale', async (t) => {
  const { hub, node } = scene(t);
  let ahead = 0;
  const mine = await node('10.0.0.1', { ahead: () => ahead });
  const other = Identity.random();
  await node('10.0.0.2', { identity: other });
  await until('the other', PATIENCE_MS, () => addressesOf(mine) === '10.0.0.2');
  for (const hours of [9, -9]) {
    ahead = hours * 3_600_000;
    // A third node is news, upon which all of them are looked at.
    const [third, address] = [new Writer(Identity.random()), `10.0.1.${10 + hours}`];
    hub.inject({ signed: third.vip(KEY, 1, 1), at: steadyMs() });
    hub.inject({ signed: third.node(1, 2, { addresses: [address] }), at: steadyMs() });
    await until('the third', PATIENCE_MS, () => stateOf(mine, third.identity.id) !== undefined);
    t.is(stateOf(mine, other.id), 'alive');
    t.regex(addressesOf(mine), /^10\.0\.0\.2\b/);
  }
});

test('the words of an older release, with fields it did not have yet, and of a newer one count alike', async (t) => {
  const { hub, node } = scene(t);
  const mine = await node('10.0.0.1');
  const sealed = (identity: Identity, content: object, more: Buffer) => {
    const head = { owner: identity.publicKey, incarnation: 1 };
    const entry = Buffer.concat([entryCodec.encode({ ...head, ...content } as EntryMessage), more]);
    const signature = identity.sign(Buffer.concat([Buffer.from(`vipd-entry-1\0${clusterId}\0`), entry]));
    hub.inject({ signed: { entry, signature }, at: steadyMs() });
  };
  // Field 99, a text.
  const unknown = Buffer.concat([Buffer.from([0x9a, 0x06, 0x03]), Buffer.from('new')]);
  for (const [i, more] of [Buffer.of(), unknown].entries()) {
    const identity = Identity.random();
    const address = `10.0.0.${i + 2}`;
    const vip = { address: '11.0.0.1', port: 80, protocol: 'tcp', backends: [{ address, port: 8080, weight: 1 }] };
    sealed(identity, { schema: i * 9, version: 1, key: KEY, vip }, more);
    sealed(identity, { schema: i * 9, version: 2, key: '', node: { leaseMs: 60_000, addresses: [address] } }, more);
    t.not(stateOf(mine, identity.id), 'refused');
  }
  await until('both backends', PATIENCE_MS, () => addressesOf(mine) === '10.0.0.2,10.0.0.3');
  t.deepEqual(mine.faults(), []);
});

test('a node that claims a million VIPs is kept to its share, and what others say is heard all the while', (t) => {
  const replica = new Replica(codec, {
    owners: 100,
    entriesPerOwner: 1_000,
    bytesPerOwner: 16 << 20,
    bytes: 256 << 20,
  });
  const [greedy, modest] = [new Writer(Identity.random()), new Writer(Identity.random())];
  let refused = 0;
  // Of the million only the first thousands are written here: nothing is different about the rest.
  for (let i = 1; i <= 3_000; i += 1) {
    const outcome = replica.accept(greedy.vip(`tcp/11.${i >> 16}.${(i >> 8) & 255}.${i & 255}:80`, 1, i), 0);
    if (outcome.kind !== 'bad') continue;
    refused += 1;
    t.is(outcome.bad.code, 'OVER_LIMIT');
    t.is(outcome.owner, greedy.identity.id);
  }
  t.is(refused, 2_000);
  t.is(replica.accept(modest.vip(KEY, 1, 1), 0).kind, 'new');
  t.is(replica.size().entries, 1_001);
});
