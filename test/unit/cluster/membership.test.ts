import test from 'ava';
import fc from 'fast-check';
import { reachable } from '../../../ts/cluster/graph.js';
import { graceMs, Membership } from '../../../ts/cluster/membership.js';
import { Replica } from '../../../ts/cluster/replica.js';
import { codec, identity, Writer } from './writer.js';

const EPOCH = 1_700_000_000_000;
const self = identity(1);
const [b, c] = [identity(2), identity(3)];

/** Nodes b and c as this one knows them; b lists c and c lists b. */
function known(heard: number): Replica {
  const replica = new Replica(codec);
  replica.accept(
    new Writer(b).node(1, 1, { name: 'b', neighbours: [self.publicKey, c.publicKey], clockMs: EPOCH + heard + 5_000 }),
    heard,
  );
  replica.accept(new Writer(c).node(1, 1, { name: 'c', neighbours: [b.publicKey] }), heard);
  return replica;
}

function states(
  membership: Membership,
  replica: Replica,
  now: number,
  direct: readonly string[],
  confirmed = [b.id, c.id],
) {
  membership.update({
    self: self.id,
    holdings: replica.holdings(),
    direct: new Set(direct),
    confirmed: new Set(confirmed),
    allow: undefined,
    now,
    wall: now + EPOCH,
  });
  return Object.fromEntries([...membership.members().values()].map(({ node, state }) => [node.name, state]));
}

test('a node is there if a path leads to it, neighbour or not', (t) => {
  const membership = new Membership();
  t.deepEqual(states(membership, known(0), 0, [b.id]), { b: 'alive', c: 'alive' });
  t.is(membership.members().get(b.id)!.clockSkewMs, 5_000);
});

test('a path needs both ends of every edge', (t) => {
  const replica = known(0);
  replica.accept(new Writer(b).node(1, 2, { name: 'b', neighbours: [self.publicKey] }), 0);
  t.deepEqual(states(new Membership(), replica, 0, [b.id]), { b: 'alive', c: 'unreachable' });
});

test('a path that is gone for a moment moves nothing, one that stays away does', (t) => {
  const membership = new Membership();
  const replica = known(0);
  states(membership, replica, 0, [b.id]);
  t.deepEqual(states(membership, replica, 10, []), { b: 'alive', c: 'alive' });
  t.deepEqual(states(membership, replica, 10 + graceMs, []), { b: 'unreachable', c: 'unreachable' });
  t.is(membership.members().get(b.id)!.since, EPOCH + 10 + graceMs);
  t.deepEqual(states(membership, replica, 20 + graceMs, [b.id]), { b: 'alive', c: 'alive' });
});

test('a node that says nothing for longer than it promised is stale', (t) => {
  const membership = new Membership();
  t.deepEqual(states(membership, known(0), 60_001, [b.id]), { b: 'stale', c: 'stale' });
});

test('what is known from before a restart is unconfirmed until it is heard, or its lease ends', (t) => {
  const membership = new Membership();
  t.deepEqual(states(membership, known(0), 59_000, [], []), { b: 'unconfirmed', c: 'unconfirmed' });
  t.deepEqual(states(membership, known(0), 60_001, [], []), { b: 'unreachable', c: 'unreachable' });
});

test('every edge that counts is said by both its ends', (t) => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const lists = fc.array(fc.subarray(ids), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(lists, (said) => {
      const map = new Map(ids.map((id, i) => [id, new Set(said[i])]));
      const direct = new Set([...map.get('a')!].filter((one) => map.get(one)!.has('a') && one !== 'a'));
      const found = reachable('a', direct, map);
      const mutual = (x: string, y: string) => map.get(x)!.has(y) && map.get(y)!.has(x);
      // A node is found exactly if some found node is its mutual neighbour.
      for (const id of ids.slice(1)) {
        const near = [...found].some((one) => one !== id && (one === 'a' ? direct.has(id) : mutual(one, id)));
        if (found.has(id)) t.true(near);
        else t.false(near);
      }
    }),
  );
});
