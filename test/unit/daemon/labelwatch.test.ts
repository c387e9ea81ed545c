import test from 'ava';
import { LabelWatch } from '../../../ts/daemon/labelwatch.js';
import { rejected, shared } from '../api/fake-ports.js';

const report = (...labels: readonly (typeof rejected)[]) =>
  new Map([['mesos-agent', { rejected: labels, shared: [shared] }]]);

test('what is new is told once, and again after it was gone', (t) => {
  const watch = new LabelWatch();
  const first = watch.news(report(rejected), 7);
  t.deepEqual(
    first.map(({ at, kind }) => [at, kind]),
    [
      [7, 'label'],
      [7, 'label'],
    ],
  );
  t.regex(first[0]?.text ?? '', /VIP_1=\/bad of task app2\.dcos-101 of marathon: has no port.*write \/bad:31000/);
  t.regex(first[1]?.text ?? '', /web\.marathon:80 is asked for by 2 applications: marathon\/a, marathon\/b/);
  t.deepEqual(watch.news(report(rejected), 8), []);
  t.deepEqual(watch.news(report(), 9), []);
  t.is(watch.news(report(rejected), 10).length, 1);
});
