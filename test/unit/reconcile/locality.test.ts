import test from 'ava';
import fc from 'fast-check';
import type { Locality } from '../../../ts/model/policy.js';
import type { BackendState } from '../../../ts/model/status.js';
import { type Located, nearest } from '../../../ts/reconcile/locality.js';

const here = { zone: 'a', addresses: new Set(['10.0.0.1', '10.0.0.2']) };

/** `1` and `2` are on this node, `a…` in its zone, others elsewhere; a trailing `!` is down, `~` drains. */
function locate(...names: readonly string[]): Located[] {
  return names.map((name) => {
    const [, host = '', mark] = /^(\w+)([!~]?)$/.exec(name) ?? [];
    const zone = host.startsWith('a') ? 'a' : 'b';
    const address = /^\d$/.test(host) ? `10.0.0.${host}` : `10.9.0.${host.slice(1)}`;
    const backend = { address, port: 80, weight: 1, zone };
    const state: BackendState = mark === '!' ? 'down' : mark === '~' ? 'draining' : 'active';
    return { backend, place: { state, reason: state, forwarded: state === 'down' ? undefined : backend } };
  });
}

const cases: readonly (readonly [Locality, readonly string[], readonly string[]])[] = [
  [{ prefer: 'node', spillover: 50 }, ['1', '2', 'a1', 'b1'], ['1', '2']],
  [{ prefer: 'node', spillover: 50 }, ['1', '2!', 'a1', 'b1'], ['1']],
  [{ prefer: 'node', spillover: 51 }, ['1', '2!', 'a1', 'b1'], ['1', 'a1']],
  [{ prefer: 'node', spillover: 30 }, ['1!', '2!', 'a1', 'b1'], ['a1']],
  [{ prefer: 'node', spillover: 100 }, ['1~', '2', 'a1', 'b1'], ['2']],
  [{ prefer: 'zone', spillover: 50 }, ['1', 'a1', 'b1', 'b2'], ['1', 'a1']],
  [{ prefer: 'zone', spillover: 80 }, ['1', 'a1!', 'b1', 'b2'], ['1', 'b1', 'b2']],
  [{ prefer: 'zone', spillover: 0 }, ['a1!', 'a2!', 'b1'], ['b1']],
  [{ prefer: 'zone', spillover: 0 }, ['a1!', 'a2', 'b1'], ['a2']],
  [{ prefer: 'node', spillover: 50 }, ['b1', 'b2!'], ['b1']],
  [{ prefer: 'zone', spillover: 50 }, [], []],
];

for (const [locality, names, expected] of cases) {
  test(`${locality.prefer} at ${locality.spillover} %: ${names.join(' ')} → ${expected.join(' ')}`, (t) => {
    const places = nearest(locality, locate(...names), here);
    t.deepEqual(
      names.filter((_, i) => places[i]!.state === 'active'),
      expected,
    );
  });
}

test('what stands by keeps its established connections and says why', (t) => {
  const [, far] = nearest({ prefer: 'node', spillover: 50 }, locate('1', 'b1'), here);
  t.is(far?.state, 'standby');
  t.is(far?.forwarded?.weight, 0);
  t.is(far?.reason, 'farther away; 1 of 1 on this node are usable');
});

test('whoever could serve before still lets somebody serve', (t) => {
  const name = fc.constantFrom('1', '2', 'a1', 'a2', 'b1', 'b2', '1!', 'a1!', 'b1!', '2~');
  const locality = fc.record({ prefer: fc.constantFrom('node' as const, 'zone' as const), spillover: fc.nat(100) });
  const property = fc.property(locality, fc.array(name), (preferred, names) => {
    const all = locate(...names);
    const active = (places: readonly { state: string }[]) => places.some(({ state }) => state === 'active');
    return active(nearest(preferred, all, here)) === active(all.map(({ place }) => place));
  });
  t.notThrows(() => fc.assert(property));
});
