import test from 'ava';
import { Pace } from '../../../ts/util/pace.js';

/** When each of these, milliseconds, is acted on: what comes while something waits joins it. */
function acted(times: readonly number[], longest: number): number[] {
  const pace = new Pace(longest);
  const at: number[] = [];
  for (const time of times) {
    if (time <= (at.at(-1) ?? -1)) continue;
    const due = time + pace.wait(time);
    pace.acted(due);
    at.push(due);
  }
  return at;
}

test('what comes alone is acted on at once', (t) => {
  t.deepEqual(acted([0, 200, 400], 50), [0, 200, 400]);
});

test('a stream is taken in batches that grow to the longest pause, and no further', (t) => {
  const stream = Array.from({ length: 1_000 }, (_, ms) => ms);
  const at = acted(stream, 50);
  t.deepEqual(at.slice(0, 6), [0, 5, 15, 35, 75, 125]);
  t.is(at.length, 24, 'twenty a second');
});

test('after a rest the next is alone again', (t) => {
  const stream = Array.from({ length: 300 }, (_, ms) => ms);
  const at = acted([...stream, 500, 501], 50);
  t.deepEqual(at.slice(-2), [500, 505]);
});
