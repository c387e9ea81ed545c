import test from 'ava';
import { fairLevel, roomBeside, type Wish, withoutRoom } from '../../../ts/cluster/shares.js';

const wishes = (prefix: string, count: number, backends = 1): readonly Wish[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${prefix}${String(i).padStart(4, '0')}`, backends }));

test('all have what they ask for while it fits', (t) => {
  t.is(fairLevel([3, 4, 5], 12), Number.POSITIVE_INFINITY);
  t.is(withoutRoom(new Map([['a', wishes('a', 10)]]), { vips: 10, backends: 10 }).size, 0);
});

test('beyond that only those are cut that ask for most, to the same level', (t) => {
  t.is(fairLevel([1, 2, 100, 200], 23), 10);
  t.is(fairLevel([100], 0), 0);
  t.is(fairLevel([5], -1), 0);
});

test('a greedy node loses what does not fit, the others nothing, in any order', (t) => {
  const asked = [
    ['greedy', wishes('g', 1000, 3)],
    ['b', wishes('b', 20)],
    ['c', wishes('c', 40, 2)],
  ] as const;
  const room = { vips: 500, backends: 800 };
  const cut = withoutRoom(new Map(asked), room);
  t.deepEqual([...cut.keys()], ['greedy']);
  const left = 1000 - cut.get('greedy')!.size;
  t.true(left + 60 <= room.vips && left * 3 + 100 <= room.backends, `${left} left`);
  t.true(left > 200, `${left} left`);
  t.deepEqual(withoutRoom(new Map(asked.toReversed()), room), cut);
});

test('what another node wants too is cut last, for it takes one place for both', (t) => {
  const shared = wishes('z', 50);
  const cut = withoutRoom(
    new Map([
      ['greedy', [...wishes('a', 300), ...shared]],
      ['b', shared],
    ]),
    { vips: 100, backends: 1000 },
  );
  t.deepEqual([...cut.keys()], ['greedy']);
  t.false(shared.some(({ key }) => cut.get('greedy')!.has(key)));
});

test("a node's own services come first", (t) => {
  const own = new Map([['a', { backends: [1, 2, 3] }]]);
  t.deepEqual(roomBeside({ vips: 10, backends: 10 }, own), { vips: 9, backends: 7 });
  t.deepEqual(roomBeside({ vips: 0, backends: 2 }, own), { vips: 0, backends: 0 });
});
