import type { ExecutionContext } from 'ava';
import type { DataPlane, Step } from '../../ts/dataplane/dataplane.js';
import { formatPrefix, type Protocol } from '../../ts/model/address.js';
import { compareBackends, type ForwardedVip, type Forwarding } from '../../ts/model/forwarding.js';
import { backendKey, type VipKey, vipKey } from '../../ts/model/service.js';
import { VipdError } from '../../ts/util/errors.js';

/** One kernel, and planes over it. */
export interface PlaneHarness {
  /** Another instance over the same kernel at every call, not opened. */
  plane(): DataPlane;
  /** Removes what the kernel holds for a VIP, not through a plane. */
  damage(key: VipKey): Promise<void>;
  /** Leaves nothing behind, whatever state the planes are in. */
  dispose(): Promise<void>;
}

export function vip(
  address: string,
  protocol: Protocol,
  ...backends: readonly [string, number, number][]
): ForwardedVip {
  return {
    frontend: { address, port: 80, protocol },
    backends: backends.map(([address, port, weight]) => ({ address, port, weight })).sort(compareBackends),
  };
}

export const upsert = (vip: ForwardedVip): Step => ({ kind: 'upsert', vip });

const WEB = vip('11.0.0.80', 'tcp', ['10.0.0.1', 8080, 1], ['10.0.0.2', 8080, 3]);
const WEB_KEY = vipKey(WEB.frontend);
const EVERY_KIND = [
  WEB,
  vip('11.0.0.80', 'udp', ['10.0.0.1', 53, 1]),
  vip('fd01:c::80', 'tcp', ['fd00::1', 8080, 256], ['fd00::2', 8080, 1]),
  vip('fd01:c::80', 'udp', ['fd00::1', 53, 1]),
];

/** Declares one serial test. */
export type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

/** What every DataPlane does, whatever carries its packets. */
export function dataPlaneContract(declare: Declare, name: string, factory: () => Promise<PlaneHarness>): void {
  const should = (
    title: string,
    body: (t: ExecutionContext, plane: DataPlane, harness: PlaneHarness) => Promise<void>,
  ) =>
    declare(`${name}: ${title}`, async (t) => {
      const harness = await factory();
      t.teardown(() => harness.dispose());
      const plane = harness.plane();
      await plane.open();
      await body(t, plane, harness);
    });

  should('the probe says yes, or why not and what to do', async (t, plane) => {
    const support = await plane.probe();
    t.true(support.ok || (support.reason.length > 0 && support.hint.length > 0));
  });

  should('a new kernel holds nothing', async (t, plane) => {
    t.deepEqual(await content(plane), { pools: [], vips: {} });
    t.deepEqual(await plane.counters(), []);
  });

  should('both families and protocols are read back as they were given', async (t, plane) => {
    t.deepEqual(await plane.apply(EVERY_KIND.map(upsert)), [undefined, undefined, undefined, undefined]);
    t.deepEqual(await content(plane), { pools: [], vips: byKey(EVERY_KIND) });
  });

  should('the same steps again change nothing', async (t, plane) => {
    const steps = [...EVERY_KIND.map(upsert), { kind: 'pools', pools: POOLS } as const];
    await plane.apply(steps);
    const once = await content(plane);
    t.true((await plane.apply(steps)).every((outcome) => outcome === undefined));
    t.deepEqual(await content(plane), once);
  });

  should('an unchanged VIP is read as the same object', async (t, plane) => {
    await plane.apply(EVERY_KIND.map(upsert));
    const before = (await plane.read()).vips;
    await plane.apply([upsert(vip('11.0.0.81', 'tcp', ['10.0.0.9', 1, 1]))]);
    const after = (await plane.read()).vips;
    for (const [key, held] of before) t.is(after.get(key), held, key);
  });

  should('another set of backends replaces the first', async (t, plane) => {
    await plane.apply([upsert(WEB)]);
    const changed = vip('11.0.0.80', 'tcp', ['10.0.0.2', 8080, 5], ['10.0.0.3', 8081, 1]);
    t.deepEqual(await plane.apply([upsert(changed)]), [undefined]);
    t.deepEqual((await content(plane)).vips, byKey([changed]));
  });

  should('a drained backend stays, with weight 0', async (t, plane) => {
    const drained = vip('11.0.0.80', 'tcp', ['10.0.0.1', 8080, 0], ['10.0.0.2', 8080, 3]);
    await plane.apply([upsert(WEB)]);
    await plane.apply([upsert(drained)]);
    t.deepEqual((await content(plane)).vips, byKey([drained]));
  });

  should('a VIP may be without backends, and lose and get them', async (t, plane) => {
    const empty = vip('11.0.0.80', 'tcp');
    for (const state of [empty, WEB, empty]) {
      t.deepEqual(await plane.apply([upsert(state)]), [undefined]);
      t.deepEqual((await content(plane)).vips, byKey([state]));
    }
  });

  should('removal takes one VIP, and is no error for one that is not there', async (t, plane) => {
    await plane.apply(EVERY_KIND.map(upsert));
    const steps: Step[] = [
      { kind: 'remove', key: WEB_KEY },
      { kind: 'remove', key: 'tcp/11.9.9.9:9' },
    ];
    t.deepEqual(await plane.apply(steps), [undefined, undefined]);
    t.deepEqual((await content(plane)).vips, byKey(EVERY_KIND.slice(1)));
  });

  should('additions and removals go together', async (t, plane) => {
    const other = vip('11.0.0.90', 'tcp', ['10.0.0.1', 8080, 1]);
    await plane.apply([upsert(WEB)]);
    await plane.apply([upsert(other), { kind: 'remove', key: WEB_KEY }]);
    t.deepEqual((await content(plane)).vips, byKey([other]));
  });

  should('a backend shared by two VIPs outlives the removal of one', async (t, plane) => {
    const other = vip('11.0.0.90', 'tcp', ['10.0.0.1', 8080, 2]);
    await plane.apply([upsert(WEB), upsert(other)]);
    await plane.apply([{ kind: 'remove', key: WEB_KEY }]);
    t.deepEqual((await content(plane)).vips, byKey([other]));
  });

  should('pools are replaced as a whole', async (t, plane) => {
    await plane.apply([{ kind: 'pools', pools: POOLS }]);
    t.deepEqual((await content(plane)).pools, ['11.0.0.0/8', 'fd01:c::/64']);
    await plane.apply([{ kind: 'pools', pools: [{ address: '12.0.0.0', bits: 8 }] }]);
    t.deepEqual((await content(plane)).pools, ['12.0.0.0/8']);
    await plane.apply([{ kind: 'pools', pools: [] }]);
    t.deepEqual((await content(plane)).pools, []);
  });

  should('1000 VIPs are read back equal, and removed', async (t, plane) => {
    const many = Array.from({ length: 1000 }, (_, i) => manyVip(i));
    t.true((await plane.apply(many.map(upsert))).every((outcome) => outcome === undefined));
    t.deepEqual((await content(plane)).vips, byKey(many));
    await plane.apply(many.map(({ frontend }) => ({ kind: 'remove', key: vipKey(frontend) })));
    t.deepEqual((await content(plane)).vips, {});
  });

  should('what is there after a release is adopted and can be changed', async (t, plane, harness) => {
    await plane.apply([...EVERY_KIND.map(upsert), { kind: 'pools', pools: POOLS }]);
    const before = await content(plane);
    await plane.release();
    const next = harness.plane();
    t.deepEqual((await next.pools()).map(formatPrefix).sort(), before.pools);
    await next.open();
    t.deepEqual(await content(next), before);
    await next.apply([upsert(vip('11.0.0.80', 'tcp', ['10.0.0.7', 8080, 1]))]);
    t.deepEqual((await content(next)).vips[WEB_KEY], ['10.0.0.7:8080 weight 1']);
  });

  should('what others removed is seen, and the same step repairs it', async (t, plane, harness) => {
    await plane.apply(EVERY_KIND.map(upsert));
    await harness.damage(WEB_KEY);
    t.notDeepEqual((await content(plane)).vips, byKey(EVERY_KIND));
    t.deepEqual(await plane.apply([upsert(WEB)]), [undefined]);
    t.deepEqual((await content(plane)).vips, byKey(EVERY_KIND));
  });

  should('there are counters for every VIP and every backend', async (t, plane) => {
    await plane.apply(EVERY_KIND.map(upsert));
    const counters = await plane.counters();
    t.deepEqual(counters.map(({ key }) => key).sort(), Object.keys(byKey(EVERY_KIND)).sort());
    const web = counters.find(({ key }) => key === WEB_KEY);
    t.deepEqual([...(web?.backends.keys() ?? [])].sort(), ['10.0.0.1:8080', '10.0.0.2:8080']);
    for (const one of [web, ...(web?.backends.values() ?? [])]) {
      t.true([one?.connections, one?.packets, one?.bytes].every((count) => typeof count === 'bigint'));
    }
    t.is(typeof web?.refused, 'bigint');
    t.true(Object.values(await plane.verdicts()).every((count) => typeof count === 'bigint'));
  });

  should('one VIP can be looked into', async (t, plane) => {
    await plane.apply([upsert(WEB)]);
    t.is(typeof (await plane.inspect(WEB_KEY)), 'object');
    t.is(await plane.inspect('tcp/11.9.9.9:9'), undefined);
    t.deepEqual(await plane.flows(10), []);
  });

  should('engaging and disengaging, also twice, changes nothing that is held', async (t, plane) => {
    await plane.apply(EVERY_KIND.map(upsert));
    for (const act of ['engage', 'engage', 'disengage', 'disengage', 'engage'] as const) await plane[act]();
    t.deepEqual((await content(plane)).vips, byKey(EVERY_KIND));
    await plane.disengage();
  });

  should('a listener for events can be taken away', async (t, plane) => {
    const stop = plane.events(() => t.fail('nothing happens here'));
    t.notThrows(stop);
    t.notThrows(stop);
  });

  should('after a release every call is refused by name', async (t, plane) => {
    await plane.release();
    await t.throwsAsync(() => plane.read(), { instanceOf: VipdError });
    await t.throwsAsync(() => plane.counters(), { instanceOf: VipdError });
  });

  should('remove leaves nothing for the next one to adopt', async (t, plane, harness) => {
    await plane.apply([...EVERY_KIND.map(upsert), { kind: 'pools', pools: POOLS }]);
    await plane.engage();
    await plane.remove();
    const next = harness.plane();
    t.deepEqual(await next.pools(), []);
    await next.open();
    t.deepEqual(await content(next), { pools: [], vips: {} });
  });
}

const POOLS = [
  { address: '11.0.0.0', bits: 8 },
  { address: 'fd01:c::', bits: 64 },
];

function manyVip(i: number): ForwardedVip {
  const backends = Array.from({ length: 1 + (i % 5) }, (_, j) => [`10.1.${i >> 8}.${i & 255}`, 8000 + j, 1 + (i % 3)]);
  return vip(`11.1.${i >> 8}.${i & 255}`, i % 2 === 0 ? 'tcp' : 'udp', ...(backends as [string, number, number][]));
}

/** What the kernel holds, in a form that reads well where two differ. */
async function content(plane: DataPlane): Promise<{ pools: string[]; vips: Record<string, string[]> }> {
  const { pools, vips }: Forwarding = await plane.read();
  return { pools: pools.map(formatPrefix).sort(), vips: byKey([...vips.values()]) };
}

function byKey(vips: readonly ForwardedVip[]): Record<string, string[]> {
  return Object.fromEntries(
    vips.map(({ frontend, backends }) => [
      vipKey(frontend),
      backends.map((backend) => `${backendKey(backend)} weight ${backend.weight}`),
    ]),
  );
}
