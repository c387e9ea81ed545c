import test from 'ava';
import fc from 'fast-check';
import { firstOutlook, look, type Outlook } from '../../../ts/health/outlook.js';
import type { Connects, Outcomes } from '../../../ts/model/connects.js';
import type { OutlierPolicy } from '../../../ts/model/policy.js';

const policy: OutlierPolicy = {
  consecutive: 3,
  failurePercent: 50,
  minimumConnects: 10,
  windowMs: 10_000,
  ejectionMs: 1_000,
  maxEjectionMs: 5_000,
  maxEjectedPercent: 50,
};
const NONE: Outcomes = { connected: 0n, refused: 0n, timedOut: 0n, unreachable: 0n, reset: 0n, abandoned: 0n };

/** A backend's counters, as the kernel keeps them. */
class Backend {
  connects: Connects = { ...NONE, failing: 0n, latency: { bounds: [], counts: [0n], sum: 0 } };
  outlook: Outlook = firstOutlook(NONE, 0);
  now = 0;

  /** Some connects, of which those before the last that came about are not in a row any more. */
  meet(what: keyof Outcomes, count: number): this {
    const fails = what === 'refused' || what === 'timedOut' || what === 'unreachable';
    const failing = what === 'connected' ? 0n : this.connects.failing + (fails ? BigInt(count) : 0n);
    this.connects = { ...this.connects, [what]: this.connects[what] + BigInt(count), failing };
    return this;
  }

  look(afterMs = 1): Outlook {
    this.now += afterMs;
    this.outlook = look(this.outlook, this.connects, policy, this.now);
    return this.outlook;
  }

  get cause(): string | undefined {
    return this.outlook.ejection?.cause;
  }
}

test('failures in a row eject, wherever the looks fall between them', (t) => {
  const backend = new Backend();
  backend.meet('refused', 2).look();
  t.is(backend.cause, undefined);
  backend.meet('timedOut', 1).look();
  t.is(backend.cause, '3 connects in a row failed (no answer)');
  t.like(backend.outlook.ejection, { since: 2, until: 1_002, times: 1 });
});

test('a success between failures begins the row anew', (t) => {
  const backend = new Backend();
  backend.meet('refused', 2).look();
  backend.meet('connected', 1).meet('refused', 2).look();
  t.is(backend.cause, undefined);
});

test('a share of the window ejects, from so many connects on', (t) => {
  const few = new Backend();
  few.meet('refused', 2).meet('connected', 1).meet('refused', 2).meet('connected', 1).look();
  t.is(few.cause, undefined);
  const many = new Backend();
  many.meet('refused', 2).meet('connected', 4).look();
  many.meet('refused', 2).meet('connected', 1).meet('unreachable', 1).look();
  t.is(many.cause, '5 of 10 connects within 10s failed (refused, unreachable)');
  const rather = new Backend();
  rather.meet('refused', 2).meet('connected', 6).meet('refused', 2).look();
  t.is(rather.cause, undefined);
});

test('resets count against those that connected; what clients gave up counts for nothing', (t) => {
  const resetting = new Backend();
  resetting.meet('connected', 10).meet('reset', 5).look();
  t.is(resetting.cause, '5 of 10 connects within 10s failed (reset)');
  const slow = new Backend();
  slow.meet('connected', 1).meet('abandoned', 1_000).look();
  t.is(slow.cause, undefined);
});

test('what is older than the window is forgotten', (t) => {
  const backend = new Backend();
  for (let i = 0; i < 4; i++) backend.meet('refused', 1).meet('connected', 1).look();
  backend
    .meet('refused', 1)
    .meet('connected', 1)
    .look(policy.windowMs + 1);
  t.is(backend.cause, undefined);
  const recent = new Backend();
  for (let i = 0; i < 4; i++) recent.meet('refused', 1).meet('connected', 1).look();
  recent
    .meet('refused', 1)
    .meet('connected', 1)
    .look(policy.windowMs / 2);
  t.is(recent.cause, '5 of 10 connects within 10s failed (refused)');
});

test('its time over, a backend is given connections; one that fails ejects it again, for twice as long, to a limit', (t) => {
  const backend = new Backend();
  backend.meet('refused', 3).look();
  const lengths = [1_000, 2_000, 4_000, 5_000, 5_000];
  for (const [i, length] of lengths.entries()) {
    const { since, until, times } = backend.outlook.ejection!;
    t.deepEqual([until - since, times], [length, i + 1]);
    t.truthy(backend.look(length - 1).ejection, 'not before');
    t.is(backend.look(1).ejection, undefined);
    t.is(backend.look(1).ejection, undefined, 'what failed before does not count again');
    t.truthy(backend.meet('refused', 1).look(1).ejection);
  }
});

test('time in use makes former ejections forgotten, one by one', (t) => {
  const backend = new Backend();
  backend.meet('refused', 3).look();
  backend.look(1_000);
  backend.meet('refused', 1).look();
  backend.look(2_000);
  t.is(backend.outlook.times, 2);
  backend.meet('connected', 1);
  t.is(backend.look(999).times, 2);
  t.is(backend.look(1).times, 1);
  t.is(backend.look(1_000).times, 0);
  t.is(backend.look(1_000).times, 0);
});

test('counters that begin anew are no failures, and end what was known', (t) => {
  const backend = new Backend();
  backend.meet('refused', 3).look();
  backend.connects = { ...backend.connects, refused: 1n, failing: 1n };
  t.deepEqual(backend.look(), firstOutlook(backend.connects, backend.now));
});

test('whatever happens: only new failures eject, never for longer than allowed', (t) => {
  const step = fc.record({
    what: fc.constantFrom('connected' as const, 'refused' as const, 'reset' as const, 'abandoned' as const),
    count: fc.nat(6),
    pause: fc.integer({ min: 1, max: 3_000 }),
  });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const backend = new Backend();
    for (const { what, count, pause } of steps) {
      const before = backend.outlook;
      const { ejection, times } = backend.meet(what, count).look(pause);
      const fresh = ejection !== undefined && ejection.since !== before.ejection?.since;
      if (fresh && (count === 0 || what === 'connected' || what === 'abandoned')) return false;
      if (ejection && ejection.until - ejection.since > policy.maxEjectionMs) return false;
      if (times < 0 || times > before.times + 1) return false;
    }
    return true;
  });
  t.notThrows(() => fc.assert(property));
});
