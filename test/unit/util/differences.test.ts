import test from 'ava';
import fc from 'fast-check';
import { differences } from '../../../ts/util/differences.js';

const values = [{}, {}, {}];
const maps = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(...values)), { maxLength: 6 })
  .map((entries) => new Map<string, object>(entries));

test('whoever takes away what is gone and puts what has come has the other map', (t) => {
  fc.assert(
    fc.property(maps, maps, (before, now) => {
      const { gone, come } = differences(before, now);
      const made = new Map(before);
      for (const [key, value] of gone) {
        if (made.get(key) !== value) return false;
        made.delete(key);
      }
      for (const [key, value] of come) made.set(key, value);
      const same = made.size === now.size && [...now].every(([key, value]) => made.get(key) === value);
      const kept = [...now].filter(([key, value]) => before.get(key) === value).length;
      return same && come.length === now.size - kept && gone.length === before.size - kept;
    }),
  );
  t.pass();
});

test('the same map has no differences, and is not looked at', (t) => {
  const map = new Map([['a', values[0]]]);
  t.deepEqual(differences(map, map), { gone: [], come: [] });
});
