import test from 'ava';
import fc from 'fast-check';
import { nearestRate, shiftOf } from '../../../../ts/dataplane/ebpf/ticks.js';
import { holds } from './holds.js';

test('a rate that was measured a few percent off is still recognised', (t) => {
  const property = fc.property(
    fc.constantFrom(100, 250, 300, 1000),
    fc.double({ min: 0.93, max: 1.07, noNaN: true }),
    (rate, error) => nearestRate(rate * error) === rate,
  );
  holds(t, property);
  t.deepEqual([0, 1, 1e9].map(nearestRate), [100, 100, 1000]);
});

test('units of ticks are within a factor of √2 of what was asked for', (t) => {
  t.deepEqual([100, 250, 300, 1000].map(shiftOf), [7, 8, 8, 10]);
  holds(
    t,
    fc.property(fc.integer({ min: 1, max: 1 << 20 }), (ticks) => {
      const factor = 2 ** shiftOf(ticks) / ticks;
      return factor >= Math.SQRT1_2 - 1e-9 && factor <= Math.SQRT2 + 1e-9;
    }),
  );
});
