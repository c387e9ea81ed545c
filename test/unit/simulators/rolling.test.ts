import test from 'ava';
import { nextSteps } from '../../simulators/rolling.js';

/** `old good`, `new bad` and so on. */
const instances = (...texts: readonly string[]) =>
  texts.map((text) => ({ text, config: text.split(' ')[0], good: text.endsWith('good') }));
const steps = (upgradeStrategy: object, wanted: number, ...texts: readonly string[]) => {
  const { start, end } = nextSteps({ instances: wanted, config: 'new', upgradeStrategy }, instances(...texts));
  return [start, end.map(({ text }) => text)];
};

test('without another configuration: what is missing is started, what is too many ended', (t) => {
  t.deepEqual(steps({}, 3, 'new good'), [2, []]);
  t.deepEqual(steps({}, 1, 'new good', 'new bad'), [0, ['new bad']]);
});

test('half must stay good: half of the old ones end at once, the others as new ones turn good', (t) => {
  const half = { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 };
  const [a, b] = ['old good', 'old good'];
  t.deepEqual(steps(half, 4, a, b, a, b), [0, [a, b]]);
  t.deepEqual(steps(half, 4, a, b), [2, []]);
  t.deepEqual(steps(half, 4, a, b, 'new bad', 'new good'), [0, [a]]);
  t.deepEqual(steps(half, 4, a, 'new good', 'new good', 'new bad'), [0, [a]]);
});

test('all must stay good and none may run beyond: one does, or nothing could be replaced', (t) => {
  const full = { minimumHealthCapacity: 1, maximumOverCapacity: 0 };
  t.deepEqual(steps(full, 2, 'old good', 'old good'), [1, []]);
  t.deepEqual(steps(full, 2, 'old good', 'old good', 'new bad'), [0, []]);
  t.deepEqual(steps(full, 2, 'old good', 'old good', 'new good'), [0, ['old good']]);
});

test('by default twice as many may run, and old ones that are not good go first', (t) => {
  t.deepEqual(steps({}, 2, 'old good', 'old good'), [2, []]);
  t.deepEqual(steps({}, 2, 'old bad', 'old good'), [2, ['old bad']]);
  t.deepEqual(steps({}, 0, 'old good'), [0, ['old good']]);
});
