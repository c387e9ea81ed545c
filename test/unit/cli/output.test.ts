import test from 'ava';
import fc from 'fast-check';
import { age, duration, properties, size, table } from '../../../ts/cli/output.js';

test('columns are aligned, numbers to the right, no blanks at the end', (t) => {
  const columns = [{ title: 'NAME' }, { title: 'N', right: true }, { title: 'WHY' }];
  const text = table(columns, [
    ['a', '1', ''],
    ['longer', '1000', 'x'],
  ]);
  t.is(text, ['NAME       N  WHY', 'a          1', 'longer  1000  x'].join('\n'));
});

test('a table without rows is its heading', (t) => {
  t.is(table([{ title: 'A' }, { title: 'B' }], []), 'A  B');
});

test('every line of a table has its columns at the same place', (t) => {
  const cell = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
      const lines = table([{ title: 'FIRST' }, { title: 'SECOND' }], rows).split('\n');
      const at = lines[0]!.indexOf('SECOND');
      t.true(rows.every((row, i) => lines[i + 1]!.indexOf(row[1]!, at) === at && lines[i + 1]![at - 1] === ' '));
    }),
  );
});

test('values of several lines are indented below the first', (t) => {
  t.is(
    properties([
      ['a', 'x\ny'],
      ['long', 'z'],
    ]),
    'a     x\n      y\nlong  z',
  );
});

const sizes: readonly [number, string][] = [
  [0, '0 B'],
  [1_023, '1023 B'],
  [1_024, '1.0 KiB'],
  [3.4 * 2 ** 20, '3.4 MiB'],
  [2 ** 63, '8192.0 PiB'],
];
for (const [bytes, text] of sizes) test(`${bytes} bytes are ${text}`, (t) => t.is(size(bytes), text));

const ages: readonly [number, string][] = [
  [0, '0s'],
  [59_999, '59s'],
  [725_000, '12m 5s'],
  [3_600_000, '1h'],
  [3_605_000, '1h'],
  [273_600_000, '3d 4h'],
  [-5_000, '0s'],
];
for (const [ms, text] of ages)
  test(`${ms} ms ago is ${text}`, (t) => t.is(age(1_000_000_000, 1_000_000_000 + ms), text));

const durations: readonly [number | undefined, string][] = [
  [undefined, '-'],
  [0.9e-6, '0.9 µs'],
  [26e-6, '26 µs'],
  [0.0014, '1.4 ms'],
  [0.25, '250 ms'],
  [3.25, '3.3 s'],
];
for (const [seconds, text] of durations) {
  test(`${seconds} seconds are ${text}`, (t) => {
    t.is(duration(seconds), text);
  });
}
