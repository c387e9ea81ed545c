import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { type Candidate, maglevTable, tableSize } from '../../../../ts/dataplane/ebpf/maglev.js';
import { holds } from './holds.js';

const key = fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.0.${a}.${b}:8080`);
const candidatesWith = (weight: fc.Arbitrary<number>, minLength = 1) =>
  fc.uniqueArray(fc.record({ key, weight }), { selector: ({ key }) => key, minLength, maxLength: 40 });
const weighted = candidatesWith(fc.integer({ min: 1, max: 256 }));
const equal = candidatesWith(fc.constant(1), 2);

const many = (count: number, weight: (i: number) => number, net = 10): Candidate[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${net}.0.${i >> 8}.${i & 255}:80`, weight: weight(i) }));

/** Slots of each candidate. */
function shares(candidates: readonly Candidate[], table = maglevTable(candidates)): number[] {
  const counts = new Array<number>(candidates.length).fill(0);
  for (const index of table) counts[index]!++;
  return counts;
}

/** The candidate of each slot, by key. */
function keys(candidates: readonly Candidate[], size?: number): string[] {
  return Array.from(maglevTable(candidates, size), (index) => candidates[index]!.key);
}

test('the size is a power of two that leaves room for every backend and for its weight', (t) => {
  t.is(tableSize([]), 0);
  t.deepEqual(
    [1, 2, 10, 4096].map((count) => tableSize(many(count, () => 7))),
    [64, 128, 512, 262_144],
  );
  t.is(tableSize(many(2, (i) => (i === 0 ? 256 : 1))), 2048);
  holds(
    t,
    fc.property(weighted, (candidates) => {
      const size = tableSize(candidates);
      return Number.isInteger(Math.log2(size)) && size >= 50 * candidates.length && size >= 64;
    }),
  );
});

test('shares follow the weights, to within a slot and what rounding moves around', (t) => {
  holds(
    t,
    fc.property(weighted, (candidates) => {
      const size = tableSize(candidates);
      const sum = candidates.reduce((total, { weight }) => total + weight, 0);
      shares(candidates).forEach((slots, i) => {
        const part = candidates[i]!.weight / sum;
        assert.ok(Math.abs(slots - size * part) <= 1 + candidates.length * part, `${slots} slots for ${size * part}`);
      });
    }),
  );
});

test('equal weights differ by a slot at most', (t) => {
  holds(
    t,
    fc.property(equal, (candidates) => {
      const counts = shares(candidates);
      return Math.max(...counts) - Math.min(...counts) <= 1;
    }),
  );
});

test('whatever its weight, every backend has a slot', (t) => {
  const mostly = (count: number) => many(count, (i) => (i % 100 === 0 ? 1 : 256));
  for (const count of [2, 100, 400, 4096]) t.true(Math.min(...shares(mostly(count))) > 0, `${count} backends`);
});

test('the table is a function of the set, not of its order', (t) => {
  const shuffled = weighted.chain((candidates) =>
    fc.tuple(fc.constant(candidates), fc.shuffledSubarray(candidates, { minLength: candidates.length })),
  );
  holds(
    t,
    fc.property(shuffled, ([one, other]) => assert.deepEqual(keys(one), keys(other))),
  );
});

test('one backend has it all, no backend has no table', (t) => {
  t.deepEqual(keys(many(1, () => 3)), new Array(64).fill('10.0.0.0:80'));
  t.is(maglevTable([]).length, 0);
});

test('4096 backends of one VIP get equal shares', (t) => {
  const candidates = many(4096, () => 1);
  t.deepEqual(new Set(shares(candidates)), new Set([64]));
});

test('when one of many goes or comes, the slots of the others mostly stay', (t) => {
  for (const count of [3, 10, 40, 150]) {
    const moved = Array.from({ length: 30 }, (_, seed) => movedWithoutFirst(many(count, () => 1, 100 + seed)));
    const average = moved.reduce((sum, share) => sum + share, 0) / moved.length;
    t.true(average < 0.06, `${(average * 100).toFixed(1)} % of the slots move when one of ${count} goes`);
  }
});

/** Share of the slots that go from one of the others to another; the same when the first comes. */
function movedWithoutFirst(all: readonly Candidate[]): number {
  const before = keys(all);
  const after = keys(all.slice(1), before.length);
  return before.filter((key, slot) => key !== all[0]!.key && key !== after[slot]).length / before.length;
}
