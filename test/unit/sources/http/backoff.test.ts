import test from 'ava';
import fc from 'fast-check';
import { Backoff } from '../../../../ts/sources/http/backoff.js';

test('pauses double up to the longest, each between half of it and all, and never under the first', (t) => {
  const [first, longest] = [2_000, 30_000];
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { minLength: 6 }),
      (chances) => {
        let at = 0;
        const backoff = new Backoff(first, longest, () => chances[at++ % chances.length]!);
        return chances.every((_, n) => {
          const due = Math.min(longest, first * 2 ** (n + 1));
          const pause = backoff.next();
          return pause >= Math.max(first, due / 2) && pause <= due;
        });
      },
    ),
  );
  t.pass();
});

test('after a success it begins anew', (t) => {
  const backoff = new Backoff(2_000, 30_000, () => 1);
  for (let i = 0; i < 5; i += 1) backoff.next();
  t.is(backoff.next(), 30_000);
  t.is(backoff.reset(), 2_000);
  t.is(backoff.next(), 4_000);
});
