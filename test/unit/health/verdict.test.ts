import test from 'ava';
import fc from 'fast-check';
import type { Finding } from '../../../ts/health/check.js';
import { firstJudgement, type Judgement, judge } from '../../../ts/health/verdict.js';
import type { HealthCheck } from '../../../ts/model/service.js';

const check = (rise: number, fall: number): HealthCheck => ({ kind: 'tcp', intervalMs: 1, timeoutMs: 1, rise, fall });
const bad = 'ECONNREFUSED';

function after(findings: readonly Finding[], { rise, fall } = { rise: 1, fall: 2 }): Judgement {
  return findings.reduce((state, finding, i) => judge(state, finding, check(rise, fall), i + 1), firstJudgement(0));
}

test('one success makes healthy, two failures in a row unhealthy', (t) => {
  t.is(after([]).state, 'pending');
  t.is(after([undefined]).state, 'healthy');
  t.is(after([undefined, bad]).state, 'healthy');
  t.is(after([undefined, bad, bad]).state, 'unhealthy');
  t.is(after([undefined, bad, undefined, bad]).state, 'healthy');
  t.is(after([bad]).state, 'pending');
  t.is(after([bad, bad]).state, 'unhealthy');
  t.is(after([bad, bad, undefined]).state, 'healthy');
});

test('the reason counts towards the change, and since is when it came', (t) => {
  t.is(after([undefined]).reason, 'healthy');
  t.is(after([undefined, bad]).reason, 'tcp: ECONNREFUSED, 1 of 2 failures');
  t.like(after([undefined, bad, bad]), { reason: 'tcp: ECONNREFUSED, 2 of 2 failures', since: 3 });
  t.like(after([undefined, bad, bad, bad]), { reason: 'tcp: ECONNREFUSED, 2 of 2 failures', since: 3 });
  t.is(after([bad, bad, undefined], { rise: 2, fall: 2 }).reason, 'tcp: 1 of 2 successes');
});

test('the state is what the last long enough run of equal findings says', (t) => {
  const findings = fc.array(fc.constantFrom<Finding>(undefined, bad), { maxLength: 40 });
  const threshold = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(findings, threshold, threshold, (list, rise, fall) => {
      let expected: Judgement['state'] = 'pending';
      let run = 0;
      for (const [i, finding] of list.entries()) {
        run = i > 0 && list[i - 1] === finding ? run + 1 : 1;
        if (run >= (finding === undefined ? rise : fall)) expected = finding === undefined ? 'healthy' : 'unhealthy';
      }
      t.is(after(list, { rise, fall }).state, expected);
    }),
  );
});

test('since moves exactly when the state does', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<Finding>(undefined, bad)), (list) => {
      let state = firstJudgement(0);
      for (const [i, finding] of list.entries()) {
        const next = judge(state, finding, check(2, 2), i + 1);
        t.is(next.since !== state.since, next.state !== state.state);
        state = next;
      }
    }),
  );
});
