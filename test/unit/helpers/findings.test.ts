import test from 'ava';
import { sourceFiles } from '../../helpers/source-tree.js';

// What users of other balancers complain of most is numbered, D1 to D24.

const FINDINGS = 24;

test('each finding about other balancers has a test whose title begins with its number', (t) => {
  const texts = sourceFiles('test', '.test.ts').map(({ text }) => text);
  const titled = new Set(
    texts.flatMap((text) => Array.from(text.matchAll(/['"`](D\d+)[:'"`]/g), ([, number]) => number)),
  );
  const missing = Array.from({ length: FINDINGS }, (_, i) => `D${i + 1}`).filter((number) => !titled.has(number));
  t.deepEqual(missing, []);
});
