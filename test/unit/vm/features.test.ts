import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../../ts/util/paths.js';
import { features, featureTable, verdict, withTable } from '../../vm/features.js';

const result = (passed: number, failed = 0, skipped = 0) => ({
  passed: Array<string>(passed).fill('a'),
  failed: Array<string>(failed).fill('b'),
  skipped: Array<string>(skipped).fill('c'),
  output: '',
});

test('a feature is there where all of its tests passed, and what was not run is said', (t) => {
  const feature = { name: 'x', suites: ['a/one', 'a/two'], documented: 'no' };
  t.is(verdict(feature, {}), '–');
  t.is(verdict(feature, { 'a/one': result(2), 'a/two': result(3) }), 'yes, 5 tests');
  t.is(verdict(feature, { 'a/one': result(2), 'a/two': result(3, 1, 1) }), 'no, 5 tests (1 fail, 1 skipped)');
  t.is(verdict(feature, { 'a/one': result(2) }), 'yes, 2 tests (1 of 2 suites not run)');
  t.is(verdict(feature, { 'a/one': result(0, 0, 2) }), '–');
});

test('every suite that a feature names is there', (t) => {
  const missing = features
    .flatMap(({ suites }) => suites)
    .filter((suite) => !existsSync(join(packageRoot, 'test', `${suite}.test.ts`)));
  t.deepEqual(missing, []);
});

test('the table has a column for each kernel, and replaces the one before it', (t) => {
  const table = featureTable(new Map([['6.1.0', { 'guest/systemd': result(1) }]]));
  t.regex(table, /^\| {2}\| 5\.15, by documentation \| 6\.1\.0 \|\n\| --- \| --- \| --- \|\n/);
  t.regex(table, /\| systemd unit \| with IPVS \| yes, 1 tests \|/);
  const marks = ['<!-- what `npm run test:kernels -- --record` saw -->', '<!-- end of what it saw -->'];
  const text = `before\n${marks.join('\n\nold\n\n')}\nbehind`;
  t.is(withTable(text, 'new'), `before\n${marks.join('\n\nnew\n\n')}\nbehind`);
  t.throws(() => withTable('nothing', 'new'));
});
