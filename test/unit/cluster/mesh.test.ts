import test from 'ava';
import { type Ban, Guard } from '../../../ts/cluster/gossip/guard.js';
import { candidates, degree, Mesh } from '../../../ts/cluster/gossip/mesh.js';
import { Replica } from '../../../ts/cluster/replica.js';
import { codec, identity, Writer } from './writer.js';

const candidate = (name: string) => ({ name, reach: [] });
const crowd = Array.from({ length: 20 }, (_, i) => candidate(`n${i}`));

test('a node without neighbours dials as many as it wants, and no more', (t) => {
  const view = { neighbours: new Set<string>(), reachable: new Set(['me']), candidates: crowd };
  t.is(new Mesh().next(view, 0).length, degree.wanted);
});

test('with enough neighbours it still tries one that no path leads to, ever more seldom, and for ever', (t) => {
  const neighbours = new Set(['n0', 'n1', 'n2', 'n3']);
  const reachable = new Set(crowd.map(({ name }) => name).filter((name) => name !== 'n19'));
  const mesh = new Mesh();
  const tries: number[] = [];
  for (let now = 0; now < 600_000; now += 1000) {
    const chosen = mesh.next({ neighbours, reachable, candidates: crowd }, now);
    if (chosen.length > 0) tries.push(now);
    t.true(chosen.every(({ name }) => name === 'n19'));
  }
  t.true(tries.length > 20 && tries.length < 120, String(tries.length));
  t.true(tries.at(-1)! > 580_000);
});

test('with enough neighbours and everybody in reach it dials nobody', (t) => {
  const neighbours = new Set(['n0', 'n1', 'n2', 'n3']);
  t.deepEqual(
    new Mesh().next({ neighbours, reachable: new Set(crowd.map(({ name }) => name)), candidates: crowd }, 0),
    [],
  );
});

test('where a node is gone its seed is tried too: its machine may have a new key', (t) => {
  const replica = new Replica(codec);
  const known = new Writer(identity(5));
  replica.accept(known.node(1, 1, { reach: ['10.0.0.1:61420'] }), 0);
  const seeds = ['10.0.0.1:61420', '10.0.0.2:61420'];
  const names = (...found: readonly string[]) =>
    candidates([...replica.holdings()], seeds, new Set(found)).map(({ name }) => name);
  t.deepEqual(names(known.identity.id), [known.identity.id, seeds[1]!]);
  t.deepEqual(names(), [known.identity.id, ...seeds]);
});

const limits = { bad: 2, messages: 5, bytes: 1000, comparisons: 3, windowMs: 1000, banMs: 5000 };

function guard(): { guard: Guard; bans: Ban[]; at(now: number): void } {
  let time = 0;
  const bans: Ban[] = [];
  return {
    guard: new Guard(
      (ban) => bans.push(ban),
      limits,
      () => time,
    ),
    bans,
    at: (now) => {
      time = now;
    },
  };
}

test('a peer that sends rubbish is shut out for a while, with the reason', (t) => {
  const { guard: one, bans, at } = guard();
  for (let i = 0; i < 3; i++) one.bad('x', 'a forged entry');
  t.true(one.banned('x'));
  t.is(bans.length, 1);
  t.is(bans[0]!.reason, '3 bad messages, the last a forged entry');
  t.false(one.message('x', 1));
  t.true(one.message('y', 1), 'others are not concerned');
  at(5001);
  t.false(one.banned('x'));
});

test('so is one that floods, by messages or by bytes', (t) => {
  const { guard: one, bans } = guard();
  for (let i = 0; i < 6; i++) one.message('x', 1);
  one.message('y', 1001);
  t.deepEqual(
    bans.map(({ peer }) => peer),
    ['x', 'y'],
  );
});

test('so is one that wants too much compared', (t) => {
  const { guard: one, bans } = guard();
  for (let i = 0; i < 3; i++) t.true(one.comparison('x'));
  t.false(one.comparison('x'));
  t.deepEqual(
    bans.map(({ reason }) => reason),
    ['more than 3 comparisons in 1 s'],
  );
});

test('a peer within the limits of each window is never shut out', (t) => {
  const { guard: one, at } = guard();
  for (let i = 0; i < 100; i++) {
    at(i * 250);
    t.true(one.message('x', 100));
  }
});
