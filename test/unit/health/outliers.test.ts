import test from 'ava';
import { Outliers } from '../../../ts/health/outliers.js';
import type { Connects, ConnectsByVip } from '../../../ts/model/connects.js';
import type { OutlierPolicy } from '../../../ts/model/policy.js';
import type { VipKey } from '../../../ts/model/service.js';
import { define, table } from '../reconcile/world.js';
import { HandClock } from './handclock.js';

const outlier: OutlierPolicy = {
  consecutive: 3,
  failurePercent: 50,
  minimumConnects: 10,
  windowMs: 10_000,
  ejectionMs: 5_000,
  maxEjectionMs: 60_000,
  maxEjectedPercent: 50,
};
const watched = { ...define('web', 1, 1, 2), policy: { outlier } };
const WEB = 'tcp/11.0.0.1:80';
const ONE = '10.0.0.1:80';

function refused(count: number): Connects {
  const rest = { connected: 0n, timedOut: 0n, unreachable: 0n, reset: 0n, abandoned: 0n };
  const failed = BigInt(count);
  return { ...rest, refused: failed, failing: failed, latency: { bounds: [], counts: [0n], sum: 0 } };
}

function watch() {
  const clock = new HandClock();
  const asked: ReadonlySet<VipKey>[] = [];
  const kernel = { connects: new Map() as ConnectsByVip, broken: false };
  const faults: unknown[] = [];
  const outliers = new Outliers({
    clock,
    onFault: (error) => faults.push(error),
    connects: async (vips) => {
      asked.push(vips);
      if (kernel.broken) throw new Error('closed');
      return kernel.connects;
    },
  });
  let changes = 0;
  outliers.onChange(() => void changes++);
  const fail = (count: number) => {
    kernel.connects = new Map([[WEB, new Map([[ONE, refused(count)]])]]);
  };
  return { clock, asked, kernel, faults, outliers, fail, changes: () => changes };
}

test('nothing is read while no service asks for it', async (t) => {
  const { clock, asked, outliers } = watch();
  outliers.sync(table(define('web', 1, 1)));
  await clock.advance(10_000);
  t.deepEqual([asked.length, clock.waiting], [0, 0]);
  outliers.sync(table(watched, define('other', 2, 1)));
  await clock.advance(1_000);
  t.deepEqual([...asked[0]!], [WEB]);
  outliers.sync(table(define('web', 1, 1)));
  await clock.advance(1_000);
  t.is(clock.waiting, 0);
});

test('what failed before the first look is nothing new, and what fails after it is', async (t) => {
  const { clock, outliers, fail, changes } = watch();
  fail(50);
  outliers.sync(table(watched));
  await clock.advance(3_000);
  t.is(outliers.of(WEB), undefined);
  fail(51);
  await clock.advance(1_000);
  t.is(outliers.of(WEB)?.get(ONE)?.cause, '51 connects in a row failed (refused)');
  t.is(changes(), 1);
});

test('the first connects to a backend count', async (t) => {
  const { clock, outliers, fail } = watch();
  outliers.sync(table(watched));
  await clock.advance(1_000);
  fail(3);
  await clock.advance(1_000);
  t.truthy(outliers.of(WEB)?.get(ONE));
});

test('an ejection is told when it begins and when it ends, the same object in between, and counted', async (t) => {
  const { clock, outliers, fail, changes } = watch();
  outliers.sync(table(watched));
  await clock.advance(1_000);
  fail(3);
  await clock.advance(1_000);
  const ejections = outliers.of(WEB);
  await clock.advance(3_000);
  t.is(outliers.of(WEB), ejections);
  await clock.advance(2_000);
  t.deepEqual([outliers.of(WEB), changes()], [undefined, 2]);
  t.deepEqual([...outliers.counts()], [[WEB, 1]]);
});

test('a change of policy forgets nothing, the end of it all', async (t) => {
  const { clock, outliers, fail } = watch();
  outliers.sync(table(watched));
  await clock.advance(1_000);
  fail(3);
  await clock.advance(1_000);
  outliers.sync(table({ ...watched, policy: { outlier: { ...outlier, consecutive: 9 } } }));
  await clock.advance(1_000);
  t.truthy(outliers.of(WEB));
  outliers.sync(table(define('web', 1, 1)));
  t.is(outliers.of(WEB), undefined);
});

test('what cannot be read is read again later', async (t) => {
  const { clock, outliers, kernel, faults, fail } = watch();
  outliers.sync(table(watched));
  await clock.advance(1_000);
  kernel.broken = true;
  await clock.advance(2_000);
  t.is(faults.length, 1, 'told once');
  kernel.broken = false;
  fail(3);
  await clock.advance(1_000);
  t.truthy(outliers.of(WEB));
  await outliers.stop();
  t.is(clock.waiting, 0);
});
