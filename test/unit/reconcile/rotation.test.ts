import test from 'ava';
import type { BackendState } from '../../../ts/model/status.js';
import type { Verdict } from '../../../ts/model/verdict.js';
import { type Circumstances, place } from '../../../ts/reconcile/rotation.js';

const BACKEND = { address: '10.0.0.1', port: 80, weight: 3 };
const is = (state: Verdict['state']): Verdict => ({ state, reason: `it is ${state}`, since: 0 });
const HELD = { ...BACKEND, weight: 7 };
const DRAINING = { ...BACKEND, weight: 0 };

/** `weight` is what the data plane shall have; undefined leaves the backend out. */
const RULES: readonly [
  title: string,
  given: Partial<Circumstances>,
  state: BackendState,
  weight: number | undefined,
  reason: RegExp,
][] = [
  ['no check', {}, 'active', 3, /^no health check$/],
  ['healthy', { verdict: is('healthy') }, 'active', 3, /it is healthy/],
  ['unhealthy', { verdict: is('unhealthy') }, 'down', undefined, /it is unhealthy/],
  ['unhealthy and held', { verdict: is('unhealthy'), held: HELD }, 'down', undefined, /it is unhealthy/],
  ['pending', { verdict: is('pending') }, 'pending', undefined, /it is pending/],
  ['pending and held', { verdict: is('pending'), held: HELD }, 'active', 3, /was in rotation, it is pending/],
  ['pending and draining in the kernel', { verdict: is('pending'), held: DRAINING }, 'pending', 0, /it is pending/],
  ['drained', { drained: true }, 'draining', 0, /^drained by operator$/],
  ['drained and unhealthy', { drained: true, verdict: is('unhealthy') }, 'draining', 0, /^drained by operator$/],
  ['drained and pending', { drained: true, verdict: is('pending') }, 'draining', 0, /^drained by operator$/],
];

for (const [title, given, state, weight, reason] of RULES) {
  test(`${title}: ${state}`, (t) => {
    const found = place(BACKEND, { drained: false, verdict: undefined, held: undefined, ...given });
    t.deepEqual([found.state, found.forwarded?.weight], [state, weight]);
    t.regex(found.reason, reason);
  });
}

test('weight 0 drains, and says that it is the weight', (t) => {
  const found = place({ ...BACKEND, weight: 0 }, { drained: false, verdict: is('healthy'), held: undefined });
  t.deepEqual(found, { state: 'draining', reason: 'weight 0', forwarded: DRAINING });
});
