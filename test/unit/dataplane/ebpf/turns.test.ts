import test from 'ava';
import fc from 'fast-check';
import { apportion, turnsTable } from '../../../../ts/dataplane/ebpf/turns.js';

const candidates = fc
  .array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 40 })
  .map((weights) => weights.map((weight, i) => ({ key: `10.0.0.${i}:80`, weight })));
const counts = (table: Uint16Array, n: number) =>
  Array.from({ length: n }, (_, i) => table.reduce((sum, one) => sum + (one === i ? 1 : 0), 0));

test('each has its share of the table, to within a cycle', (t) => {
  const property = fc.property(candidates, (set) => {
    const table = turnsTable(set);
    const total = set.reduce((sum, { weight }) => sum + weight, 0);
    return counts(table, set.length).every((count, i) => {
      const share = (set[i]!.weight / total) * table.length;
      return Math.abs(count - share) <= Math.max(1, share / 8, set[i]!.weight);
    });
  });
  t.notThrows(() => fc.assert(property, { numRuns: 100 }));
});

test('equal weights go round: of n in a row no two are the same', (t) => {
  const property = fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 256 }), (n, weight) => {
    const set = Array.from({ length: n }, (_, i) => ({ key: `k${i}`, weight }));
    const table = [...turnsTable(set)];
    return table.every((_, i) => i + n > table.length || new Set(table.slice(i, i + n)).size === n);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 60 }));
});

test('the order of candidates does not matter', (t) => {
  const property = fc.property(candidates, fc.infiniteStream(fc.nat()), (set, order) => {
    const shuffled = set
      .map((one) => ({ one, at: order.next().value }))
      .sort((a, b) => a.at - b.at)
      .map(({ one }) => one);
    const names = (of: typeof set) => [...turnsTable(of)].map((i) => of[i]!.key);
    t.deepEqual(names(shuffled), names(set));
  });
  t.notThrows(() => fc.assert(property, { numRuns: 50 }));
});

test('seats are whole numbers that sum up, each less than one from its share', (t) => {
  const shares = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
  const property = fc.property(shares, fc.integer({ min: 1, max: 4096 }), (list, seats) => {
    const total = list.reduce((sum, share) => sum + share, 0);
    fc.pre(total > 1e-3);
    const given = apportion(list, seats);
    const close = given.every((count, i) => Math.abs(count - (list[i]! * seats) / total) < 1 + 1e-6);
    return close && given.reduce((sum, count) => sum + count, 0) === seats;
  });
  t.notThrows(() => fc.assert(property));
});

test('no candidates, no table', (t) => {
  t.is(turnsTable([]).length, 0);
});
