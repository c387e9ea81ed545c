import test from 'ava';
import { cpio } from '../../vm/cpio.js';

const field = (bytes: Buffer, at: number, number: number) =>
  bytes.toString('latin1', at + 6 + number * 8, at + 14 + number * 8);

test('entries are aligned, and the archive ends with a trailer', (t) => {
  const bytes = cpio([
    { path: 'bin' },
    { path: 'bin/sh', content: 'echo', executable: true },
    { path: 'a', content: 'x' },
  ]);
  t.is(bytes.length % 4, 0);
  const starts = [...bytes.toString('latin1').matchAll(/070701/g)].map(({ index }) => index);
  t.is(starts.length, 4);
  t.true(starts.every((at) => at % 4 === 0));
  t.deepEqual(
    starts.map((at) => Number.parseInt(field(bytes, at, 1), 16)),
    [0o040755, 0o100755, 0o100644, 0],
  );
  t.deepEqual(
    starts.map((at) => Number.parseInt(field(bytes, at, 6), 16)),
    [0, 4, 1, 0],
  );
  t.true(bytes.includes('TRAILER!!!\0'));
  t.is(bytes.toString('latin1', starts[1]! + 110, starts[1]! + 117), 'bin/sh\0');
});
