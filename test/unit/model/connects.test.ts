import test from 'ava';
import { attemptsIn, type Connects, failuresIn, quantile, sumOfConnects } from '../../../ts/model/connects.js';

const bounds = [1, 2, 4];

function connects(counts: readonly number[], others: Partial<Connects> = {}): Connects {
  const each = counts.map(BigInt);
  return {
    connected: each.reduce((sum, one) => sum + one, 0n),
    ...{ refused: 0n, timedOut: 0n, unreachable: 0n, reset: 0n, abandoned: 0n, failing: 0n },
    latency: { bounds, counts: each, sum: 0 },
    ...others,
  };
}

const quantiles: readonly [counts: readonly number[], share: number, expected: number | undefined][] = [
  [[0, 0, 0, 0], 0.5, undefined],
  [[4, 0, 0, 0], 0.5, 0.5],
  [[4, 0, 0, 0], 1, 1],
  [[1, 1, 2, 0], 0.5, 2],
  [[1, 1, 2, 0], 0.75, 3],
  [[0, 0, 10, 0], 0.1, 2.2],
  [[0, 0, 0, 3], 0.5, 4],
  [[99, 0, 0, 1], 0.99, 1],
  [[99, 0, 0, 1], 0.999, 4],
];

for (const [counts, share, expected] of quantiles) {
  test(`the ${share} quantile of ${counts.join(' ')} is ${expected}`, (t) => {
    t.is(quantile(connects(counts).latency, share), expected);
  });
}

test('a sum has what each has, and is nothing of nothing', (t) => {
  const a = connects([1, 0, 0, 2], { refused: 3n, failing: 1n });
  const b = connects([0, 5, 0, 1], { reset: 7n });
  const latency = { bounds, counts: [1n, 5n, 0n, 3n], sum: 0 };
  t.like(sumOfConnects([a, b]), { connected: 9n, refused: 3n, reset: 7n, failing: 1n, latency });
  t.is(sumOfConnects([]), undefined);
});

test('what was given up says nothing; what was reset had been connected', (t) => {
  const some = connects([4, 0, 0, 0], { refused: 1n, timedOut: 2n, unreachable: 3n, reset: 1n, abandoned: 9n });
  t.is(attemptsIn(some), 10n);
  t.is(failuresIn(some), 7n);
});
