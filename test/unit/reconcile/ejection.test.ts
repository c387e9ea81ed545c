import test from 'ava';
import fc from 'fast-check';
import type { BackendState } from '../../../ts/model/status.js';
import type { Ejection } from '../../../ts/model/verdict.js';
import { desired } from '../../../ts/reconcile/desired.js';
import { ejected, type Judged } from '../../../ts/reconcile/ejection.js';
import { define, Opinions, table } from './world.js';

const ejection = (since: number, times = 1): Ejection => ({ since, until: since + 30_000, times, cause: 'it fails' });

/** `a` serves, `a5` has failed since 5; a trailing `!` is down, `~` drains. */
function judge(...names: readonly string[]): Judged[] {
  return names.map((name, i) => {
    const [, since, mark] = /^[a-z](\d*)([!~]?)$/.exec(name) ?? [];
    const state: BackendState = mark === '!' ? 'down' : mark === '~' ? 'draining' : 'active';
    const backend = { address: `10.0.0.${i}`, port: 80, weight: mark === '~' ? 0 : 1 };
    const place = { state, reason: state, forwarded: state === 'down' ? undefined : backend };
    return { place, ejection: since ? ejection(Number(since)) : undefined };
  });
}

const cases: readonly (readonly [percent: number, names: readonly string[], left: readonly string[]])[] = [
  [50, ['a1', 'b'], ['a1']],
  [50, ['a1'], []],
  [100, ['a1'], []],
  [100, ['a2', 'b1'], ['b1']],
  [50, ['a3', 'b1', 'c2', 'd'], ['b1', 'c2']],
  [34, ['a3', 'b1', 'c'], ['b1']],
  [33, ['a3', 'b1', 'c'], []],
  [0, ['a1', 'b', 'c'], []],
  [50, ['a1', 'b!', 'c!'], []],
  [50, ['a1!', 'b2', 'c', 'd~'], ['b2']],
  [50, [], []],
];
for (const [percent, names, left] of cases) {
  test(`at most ${percent} %: of ${names.join(' ')} go ${left.join(' ') || 'none'}`, (t) => {
    const places = ejected(percent, judge(...names));
    t.deepEqual(
      names.filter((_, i) => places[i]!.state === 'ejected'),
      left,
    );
  });
}

test('who is left alone keeps what it has, and says why and until when', (t) => {
  const [one, two] = ejected(50, [{ ...judge('a')[0]!, ejection: ejection(0, 3) }, ...judge('b')]);
  t.like(one, {
    state: 'ejected',
    reason: 'it fails; left alone until 00:00:30 UTC, time 3',
    forwarded: { weight: 0 },
  });
  t.is(two?.state, 'active');
});

test('who must serve all the same says so', (t) => {
  const [one] = ejected(50, judge('a1'));
  t.is(one?.state, 'active');
  t.regex(one!.reason, /^it fails; serves all the same: at most 50 %/);
});

test('whoever could serve before still lets somebody serve, and no more go than may', (t) => {
  const name = fc.constantFrom('a', 'b1', 'c2', 'd3', 'e!', 'f4!', 'g~');
  const property = fc.property(fc.nat(100), fc.array(name), (percent, names) => {
    const all = judge(...names);
    const serving = (places: readonly { state: string }[]) => places.filter(({ state }) => state === 'active').length;
    const [before, after] = [serving(all.map(({ place }) => place)), serving(ejected(percent, all))];
    return (before === 0) === (after === 0) && (before - after) * 100 <= percent * before;
  });
  t.notThrows(() => fc.assert(property));
});

const outlier = {
  ...{ consecutive: 5, failurePercent: 50, minimumConnects: 20, windowMs: 1, ejectionMs: 1, maxEjectionMs: 1 },
  maxEjectedPercent: 50,
};

test('an ejection and its end are seen though nothing else changed; who did not ask for it has none', (t) => {
  const ejections = new Map([['tcp/11.0.0.1:80', new Map([['10.0.0.1:80', ejection(5)]])]]);
  const services = [{ ...define('web', 1, 1, 2), policy: { outlier } }, define('other', 2, 1, 2)] as const;
  const inputs = {
    ...{ table: table(...services), verdicts: new Opinions(), drained: new Set<string>(), pools: [], now: 1 },
    ejections: { of: (key: string) => ejections.get(key) },
  };
  const weights = (result: ReturnType<typeof desired>) =>
    [...result.forwarding.vips.values()].map(({ backends }) => backends.map(({ weight }) => weight));
  const first = desired(inputs);
  t.deepEqual(weights(first), [
    [1, 1],
    [0, 1],
  ]);
  ejections.delete('tcp/11.0.0.1:80');
  const second = desired(inputs, first);
  t.deepEqual(weights(second), [
    [1, 1],
    [1, 1],
  ]);
  t.is(second.forwarding.vips.get('tcp/11.0.0.1:80')?.policy, undefined, 'no data plane has to know it');
});
