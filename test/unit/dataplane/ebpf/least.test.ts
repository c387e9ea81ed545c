import test from 'ava';
import fc from 'fast-check';
import { type Loaded, leastTable } from '../../../../ts/dataplane/ebpf/least.js';

const backend = (id: number, live: number, weight = 1): Loaded => ({ id, live, weight });

const cases: readonly (readonly [title: string, candidates: readonly Loaded[], order: readonly number[]])[] = [
  ['equals take turns', [backend(1, 0), backend(2, 0)], [1, 2, 1, 2, 1, 2, 1, 2]],
  ['who has less comes first', [backend(1, 3), backend(2, 0)], [2, 2, 2, 1, 2, 1, 2, 1]],
  ['who has far too many has none', [backend(1, 90), backend(2, 0)], [2, 2, 2, 2, 2, 2, 2, 2]],
  ['weight counts', [backend(1, 0, 3), backend(2, 0, 1)], [1, 1, 1, 2, 1, 1, 1, 2]],
  ['nobody', [], []],
];
for (const [title, candidates, order] of cases) {
  test(title, (t) => {
    t.deepEqual([...leastTable(candidates, 8, 0)], order);
  });
}

test('the order begins at the slot that is next', (t) => {
  t.deepEqual([...leastTable([backend(1, 2), backend(2, 0)], 4, 3)], [2, 1, 2, 2]);
});

test('the table is full, and each turn goes to one of the least loaded', (t) => {
  const one = fc.record({ live: fc.nat(200), weight: fc.integer({ min: 1, max: 256 }) });
  const property = fc.property(fc.array(one, { minLength: 1, maxLength: 20 }), fc.nat(1_000), (all, start) => {
    const loads = new Map(all.map(({ live, weight }, i) => [i + 1, { live, weight }]));
    const table = leastTable(
      [...loads].map(([id, load]) => ({ id, ...load })),
      64,
      start,
    );
    for (let i = 0; i < 64; i++) {
      const taken = loads.get(table[(start + i) % 64]!);
      if (taken === undefined) return false;
      const after = (taken.live + 1) / taken.weight;
      const least = Math.min(...[...loads.values()].map(({ live, weight }) => (live + 1) / weight));
      if (after > least + 1e-6) return false;
      taken.live++;
    }
    return true;
  });
  t.notThrows(() => fc.assert(property));
});
