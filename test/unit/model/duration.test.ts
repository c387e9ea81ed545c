import test from 'ava';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../ts/model/duration.js';

test('durations have a unit', (t) => {
  t.is(parseDuration('500ms'), 500);
  t.is(parseDuration('2s'), 2000);
  t.is(parseDuration('1m'), 60_000);
  t.is(parseDuration('24h'), 86_400_000);
});

for (const text of ['', '2', '2 s', '-1s', '1.5s', '0ms', '25h', '2x', '99999999999s']) {
  test(`"${text}" is refused`, (t) => {
    t.throws(() => parseDuration(text), { code: 'DURATION_INVALID' });
  });
}

test('every duration survives being written and read', (t) => {
  t.notThrows(() =>
    fc.assert(fc.property(fc.integer({ min: 1, max: 86_400_000 }), (ms) => parseDuration(formatDuration(ms)) === ms)),
  );
});
