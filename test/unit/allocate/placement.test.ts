import test from 'ava';
import fc from 'fast-check';
import { placeNames } from '../../../ts/allocate/placement.js';
import { parseRange } from '../../../ts/allocate/range.js';

const range = parseRange('11.0.0.0/28');

/** Sixteen addresses, so that names often want the same one. */
const world = fc.record({
  names: fc.uniqueArray(fc.record({ name: fc.stringMatching(/^[a-f]{1,3}$/), offset: fc.bigInt(0n, 15n) }), {
    selector: ({ name }) => name,
    maxLength: 20,
  }),
  taken: fc.uniqueArray(fc.bigInt(0n, 15n), { maxLength: 6 }),
});

type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

function place({ names, taken }: World): ReadonlyMap<string, bigint> {
  return placeNames({
    range,
    preferred: new Map(names.map(({ name, offset }) => [name, range.first + offset])),
    taken: new Set(taken.map((offset) => range.first + offset)),
  });
}

const shuffled = (list: World['names'], seed: number) => {
  const keyed = list.map((one, i) => ({ one, key: Math.sin(seed * 1e4 + i * 7.7) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
};

test('the order of arrival does not matter', (t) => {
  fc.assert(
    fc.property(world, fc.integer(), ({ names, taken }, seed) => {
      t.deepEqual([...place({ names: shuffled(names, seed), taken })].sort(), [...place({ names, taken })].sort());
    }),
  );
});

test('addresses are distinct, in the range, not taken by others, and none is missing while there are any', (t) => {
  fc.assert(
    fc.property(world, ({ names, taken }) => {
      const places = [...place({ names, taken }).values()];
      t.is(new Set(places).size, places.length);
      t.true(places.every((one) => one >= range.first && one <= range.last));
      t.false(places.some((one) => taken.includes(one - range.first)));
      t.is(places.length, Math.min(names.length, 16 - taken.length));
    }),
  );
});

test('a name that alone prefers a free address has it, whoever else is there', (t) => {
  fc.assert(
    fc.property(world, ({ names, taken }) => {
      const places = place({ names, taken });
      for (const { name, offset } of names) {
        const alone = names.filter((other) => other.offset === offset).length === 1 && !taken.includes(offset);
        if (alone) t.is(places.get(name), range.first + offset);
      }
    }),
  );
});

test('when one comes or goes nobody moves who has his preferred address, except for one that prefers it too', (t) => {
  fc.assert(
    fc.property(world, fc.nat(), ({ names, taken }, pick) => {
      if (names.length === 0) return;
      const gone = names[pick % names.length]!;
      const [before, after] = [place({ names, taken }), place({ names: names.filter((one) => one !== gone), taken })];
      for (const { name, offset } of names) {
        if (name === gone.name || offset === gone.offset) continue;
        const preferred = range.first + offset;
        t.is(before.get(name) === preferred, after.get(name) === preferred, name);
      }
    }),
  );
});

test('nobody would rather have an address that somebody farther from his own has', (t) => {
  fc.assert(
    fc.property(world, ({ names, taken }) => {
      const places = place({ names, taken });
      const steps = (name: string, at: bigint) => {
        const { offset } = names.find((one) => one.name === name)!;
        return (at - range.first - offset + 16n) % 16n;
      };
      for (const [name, at] of places)
        for (const [other, wanted] of places) {
          if (name === other || steps(name, wanted) >= steps(name, at)) continue;
          const [mine, theirs] = [steps(name, wanted), steps(other, wanted)];
          t.true(theirs < mine || (theirs === mine && other < name));
        }
    }),
  );
});
