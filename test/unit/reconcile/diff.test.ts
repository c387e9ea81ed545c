import test from 'ava';
import fc from 'fast-check';
import type { Step } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane } from '../../../ts/dataplane/memory.js';
import { compareBackends, type ForwardedVip, type Forwarding } from '../../../ts/model/forwarding.js';
import { backendKey, vipKey } from '../../../ts/model/service.js';
import { diff } from '../../../ts/reconcile/diff.js';

const backends = fc
  .uniqueArray(
    fc.record({
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1'),
      port: fc.integer({ min: 1, max: 3 }),
      weight: fc.constantFrom(0, 1, 2),
    }),
    { selector: backendKey, maxLength: 5 },
  )
  .map((list) => list.sort(compareBackends));
const vips = fc.uniqueArray(
  fc.record({
    frontend: fc.record({
      address: fc.constantFrom('11.0.0.1', '11.0.0.2', 'fd01::1'),
      port: fc.integer({ min: 1, max: 2 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    }),
    backends,
  }),
  { selector: ({ frontend }) => vipKey(frontend), maxLength: 8 },
);
const pools = fc.uniqueArray(
  fc.constantFrom(8, 9, 10).map((bits) => ({ address: '11.0.0.0', bits })),
  {
    selector: ({ bits }) => bits,
  },
);
const state: fc.Arbitrary<Forwarding> = fc
  .record({ pools, list: vips })
  .map(({ pools, list }) => ({ pools, vips: new Map(list.map((vip) => [vipKey(vip.frontend), vip])) }));

async function after(actual: Forwarding, steps: readonly Step[]): Promise<Forwarding> {
  const plane = new MemoryDataPlane();
  await plane.open();
  await plane.apply([
    { kind: 'pools', pools: actual.pools },
    ...[...actual.vips.values()].map((vip) => ({ kind: 'upsert', vip }) as const),
  ]);
  await plane.apply(steps);
  return plane.read();
}

const plain = ({ pools, vips }: Forwarding): unknown => ({
  pools: pools.map(({ bits }) => bits).sort(),
  vips: Object.fromEntries([...vips].sort(([a], [b]) => (a < b ? -1 : 1))),
});

test('carrying out the difference makes what is desired, and there is no difference after it', async (t) => {
  await fc.assert(
    fc.asyncProperty(state, state, async (actual, wanted) => {
      const result = await after(actual, diff(actual, wanted, { ready: true }));
      t.deepEqual(plain(result), plain(wanted));
      t.deepEqual(diff(result, wanted, { ready: true }), []);
    }),
  );
});

test('pools come first and removals last', (t) => {
  const order = { pools: 0, upsert: 1, remove: 2 };
  fc.assert(
    fc.property(state, state, (actual, wanted) => {
      const kinds = diff(actual, wanted, { ready: true }).map(({ kind }) => order[kind]);
      t.deepEqual(kinds, kinds.toSorted());
      t.true(kinds.filter((kind) => kind === 0).length <= 1);
    }),
  );
});

test('until the sources are ready everything wanted is added and nothing is taken away', async (t) => {
  const members = ({ backends }: ForwardedVip): Set<string> => new Set(backends.map(backendKey));
  await fc.assert(
    fc.asyncProperty(state, state, async (actual, wanted) => {
      const result = await after(actual, diff(actual, wanted, { ready: false }));
      for (const before of [actual, wanted]) {
        for (const [key, vip] of before.vips) t.true(subset(members(vip), members(result.vips.get(key)!)));
        for (const { bits } of before.pools) t.true(result.pools.some((pool) => pool.bits === bits));
      }
      for (const [key, vip] of wanted.vips) {
        const weights = new Map(result.vips.get(key)?.backends.map((one) => [backendKey(one), one.weight]));
        for (const one of vip.backends) t.is(weights.get(backendKey(one)), one.weight);
      }
      t.deepEqual(diff(result, wanted, { ready: false }), []);
    }),
  );
});

const subset = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].every((one) => b.has(one));

test('what is kept is not removed, and changed like everything else', (t) => {
  const vip = (address: string, weight: number): ForwardedVip => {
    const backend = { address: '10.0.0.1', port: 1, weight };
    return { frontend: { address, port: 1, protocol: 'tcp' }, backends: [backend] };
  };
  const of = (...all: readonly ForwardedVip[]): Forwarding => {
    return { pools: [], vips: new Map(all.map((one) => [vipKey(one.frontend), one])) };
  };
  const held = of(vip('11.0.0.1', 1), vip('11.0.0.2', 1));
  const options = { ready: true, kept: new Set(['tcp/11.0.0.1:1']) };
  const gone = { kind: 'remove', key: 'tcp/11.0.0.2:1' } as const;
  t.deepEqual(diff(held, of(), options), [gone]);
  const changed = vip('11.0.0.1', 5);
  t.deepEqual(diff(held, of(changed), options), [{ kind: 'upsert', vip: changed }, gone]);
});
