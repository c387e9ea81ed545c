import type { Connection } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import test from 'ava';
import { Comparing, Difference } from '../../../ts/cluster/gossip/comparing.js';
import { Guard } from '../../../ts/cluster/gossip/guard.js';
import { newCounters } from '../../../ts/cluster/gossip/traffic.js';
import { Replica, replicaLimits } from '../../../ts/cluster/replica.js';
import type { Side } from '../../../ts/cluster/sync.js';
import { codec, identity, Writer } from './writer.js';

const LONGEST_MS = 600_000;
const BEAT_MS = 1_000;
const writer = new Writer(identity(1));
const key = (i: number) => `tcp/11.0.0.${i}:80`;

/** Two neighbours and the way from the first to the second, at a time that the test sets. */
function neighbours(room = replicaLimits) {
  const clock = { now: 0 };
  const end = (replica: Replica) => {
    const counters = newCounters();
    const side: Side = { replica, now: () => clock.now, forgetMs: LONGEST_MS, received: () => {} };
    const comparing = new Comparing(LONGEST_MS, { sideOf: () => side, counters, guard: new Guard(() => {}) });
    return { replica, counters, comparing };
  };
  const [near, far] = [end(new Replica(codec, room)), end(new Replica(codec))];
  const difference = new Difference();
  const connection = {
    remotePeer: 'far',
    newStream: async () => {
      const [mine, theirs] = await streamPair();
      void far.comparing.answer(theirs, { remotePeer: 'near' } as unknown as Connection);
      return mine;
    },
  } as unknown as Connection;
  const beat = async (whole = far.replica.whole()) => {
    clock.now += BEAT_MS;
    await near.comparing.weigh(connection, difference, whole);
  };
  return { near, far, beat };
}

test('what is missing once nothing moves any more is there at the second beat, however long all has moved before', async (t) => {
  const { near, far, beat } = neighbours();
  // A beat tells what was held before the change that came with it: every comparison is in vain.
  for (let version = 2; version < 60; version++) {
    const whole = far.replica.whole();
    for (const { replica } of [near, far]) replica.accept(writer.vip(key(1), 1, version), 0);
    await beat(whole);
  }
  const before = near.counters.comparisons;
  t.true(before < 30, `${before} comparisons of what only moves`);
  near.replica.accept(writer.vip(key(1), 1, 60), 0);
  far.replica.accept(writer.vip(key(1), 1, 60), 0);
  far.replica.accept(writer.vip(key(2), 1, 61), 0);
  await beat();
  await beat();
  t.deepEqual(near.replica.whole(), far.replica.whole());
});

test('what one of the two has no room for is not compared at every beat', async (t) => {
  const { near, far, beat } = neighbours({ ...replicaLimits, bytesPerOwner: 10 });
  far.replica.accept(writer.vip(key(1), 1, 2), 0);
  for (let i = 0; i < 60; i++) await beat();
  t.true(near.counters.comparisons >= 1 && near.counters.comparisons < 12, `${near.counters.comparisons} comparisons`);
  far.replica.accept(writer.vip(key(1), 1, 3), 0);
  const before = near.counters.comparisons;
  await beat();
  await beat();
  t.is(near.counters.comparisons, before + 1, 'what is new is compared at once');
});

test('while two are being compared they are not compared again', async (t) => {
  const { near, far } = neighbours();
  far.replica.accept(writer.vip(key(1), 1, 2), 0);
  const difference = new Difference();
  let streams = 0;
  let fail: (error: Error) => void = () => {};
  const slow = {
    remotePeer: 'far',
    newStream: () => {
      streams += 1;
      return new Promise((_, reject) => {
        fail = reject;
      });
    },
  } as unknown as Connection;
  const beats = Array.from({ length: 5 }, () => near.comparing.weigh(slow, difference, far.replica.whole()));
  t.is(streams, 1);
  fail(new Error('gone'));
  await Promise.all(beats);
});

test('a comparison that breaks off counts for nothing', async (t) => {
  const { near, far } = neighbours();
  far.replica.accept(writer.vip(key(1), 1, 2), 0);
  const difference = new Difference();
  const broken = { remotePeer: 'far', newStream: () => Promise.reject(new Error('gone')) } as unknown as Connection;
  for (let i = 0; i < 4; i++) await near.comparing.weigh(broken, difference, far.replica.whole());
  t.is(near.counters.comparisonFailures, 3);
});
