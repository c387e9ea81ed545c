import test, { type ExecutionContext } from 'ava';
import type { DataPlane, PlaneName, Support } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane, MemoryKernel } from '../../../ts/dataplane/memory.js';
import { type ForwardedVip, type Forwarding, sameVip } from '../../../ts/model/forwarding.js';
import { vipKey } from '../../../ts/model/service.js';
import type { Target } from '../../../ts/reconcile/diff.js';
import { Toggle, type ToggleRecord } from '../../../ts/reconcile/toggle.js';

/** The end of the process: nothing it would do afterwards happens. */
class Crash extends Error {}

/** Two planes over kernels that outlive any process, a record on disk, and a bad thing that happens at the nth step. */
class World {
  readonly kernels = { ebpf: new MemoryKernel(), ipvs: new MemoryKernel() };
  readonly removed: PlaneName[] = [];
  record: ToggleRecord = {};
  forwarding: Forwarding;
  /** Where sources are silent: what of that a plane must keep. */
  said: Partial<Target> = {};
  unsupported: Partial<Record<PlaneName, Support>> = {};
  /** Calls until it happens. */
  fuse = Number.POSITIVE_INFINITY;
  kind: 'fault' | 'crash' = 'fault';
  /** Whether connections of another plane would end with one that drains; undefined where planes cannot say. */
  needed: boolean | undefined;
  calls = 0;
  #dead = false;

  constructor(vips = 3) {
    const all = Array.from({ length: vips }, (_, i): ForwardedVip => {
      const backends = [{ address: '10.0.0.1', port: 80 + (i % 100), weight: 1 }];
      return {
        frontend: { address: `11.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 80, protocol: 'tcp' },
        backends,
      };
    });
    this.forwarding = {
      pools: [{ address: '11.0.0.0', bits: 8 }],
      vips: new Map(all.map((vip) => [vipKey(vip.frontend), vip])),
    };
  }

  /** A process that starts. */
  process(): Toggle {
    this.#dead = false;
    const planes = (['ebpf', 'ipvs'] as const).map((name) => this.#plane(name));
    const store = {
      load: () => this.record,
      save: (record: ToggleRecord) => {
        this.#step();
        this.record = record;
      },
    };
    return new Toggle(
      { pollMs: 1 },
      { planes, store, wanted: () => ({ ready: true, ...this.said, forwarding: this.forwarding }) },
    );
  }

  engaged(): PlaneName[] {
    return (['ebpf', 'ipvs'] as const).filter((name) => this.kernels[name].engaged);
  }

  holds(name: 'ebpf' | 'ipvs'): boolean {
    const { vips } = this.kernels[name];
    if (vips.size !== this.forwarding.vips.size) return false;
    return [...this.forwarding.vips].every(([key, vip]) => {
      const held = vips.get(key);
      return held !== undefined && sameVip(held.vip, vip);
    });
  }

  #plane(name: 'ebpf' | 'ipvs'): DataPlane {
    const memory = new MemoryDataPlane(this.kernels[name]);
    const world = this;
    return new Proxy<DataPlane>(memory, {
      get(plane, property) {
        if (property === 'name') return name;
        if (property === 'isNeeded' && world.needed !== undefined) return async () => world.needed;
        const value = Reflect.get(plane, property);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (['apply', 'read', 'open', 'engage', 'disengage', 'remove'].includes(String(property))) world.#step();
          if (property === 'probe' && world.unsupported[name]) return Promise.resolve(world.unsupported[name]);
          if (property === 'remove') world.removed.push(name);
          return value.apply(plane, args);
        };
      },
    });
  }

  #step(): void {
    if (this.#dead) throw new Crash();
    this.calls += 1;
    if (--this.fuse !== 0) return;
    this.#dead = this.kind === 'crash';
    throw this.kind === 'crash' ? new Crash() : new Error('injected');
  }
}

async function started(world: World, first: PlaneName = 'ebpf'): Promise<Toggle> {
  const toggle = world.process();
  await toggle.start(first);
  const { active } = toggle;
  await active?.apply([
    { kind: 'pools', pools: world.forwarding.pools },
    ...[...world.forwarding.vips.values()].map((vip) => ({ kind: 'upsert', vip }) as const),
  ]);
  await toggle.engage();
  world.removed.length = 0;
  return toggle;
}

/** How many steps a toggle makes when nothing happens. */
async function stepsOf(resumed: boolean): Promise<number> {
  const world = new World();
  const toggle = await ready(world, resumed);
  const before = world.calls;
  await toggle.to('ipvs', 60_000);
  return world.calls - before;
}

/** eBPF serves; with `resumed` IPVS did until now, and still drains. */
async function ready(world: World, resumed: boolean): Promise<Toggle> {
  const toggle = await started(world, resumed ? 'ipvs' : 'ebpf');
  if (resumed) await toggle.to('ebpf', 60_000);
  keepFlow(world, resumed ? 'ipvs' : 'ebpf');
  return toggle;
}

/** A connection that goes on, so that no drain ends early. */
function keepFlow(world: World, name: 'ebpf' | 'ipvs'): void {
  const [key = ''] = world.forwarding.vips.keys();
  world.kernels[name].flows.push({ vip: key, backend: '10.0.0.1:80', state: 'established', idleSeconds: 0 });
}

/** Exactly one plane takes new connections, holds everything, and is the one the record names. */
function assertWhole(t: ExecutionContext, world: World, toggle: Toggle, what: string): void {
  const engaged = world.engaged();
  t.is(engaged.length, 1, `${what}: engaged ${engaged}`);
  t.is(toggle.active?.name, engaged[0], what);
  t.is(world.record.active, engaged[0], what);
  t.is(world.record.change, undefined, what);
  t.true(world.holds(engaged[0] as 'ebpf' | 'ipvs'), `${what}: ${engaged} holds everything`);
}

test('the new plane holds everything before it engages; the old one drains and goes', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  await toggle.to('ipvs', 60_000);
  assertWhole(t, world, toggle, 'after');
  t.is(toggle.active?.name, 'ipvs');
  t.like(toggle.draining, { plane: 'ebpf' });
  t.true(world.holds('ebpf'));
  world.kernels.ebpf.flows.length = 0;
  while (toggle.draining !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  t.is(world.kernels.ebpf.vips.size, 0);
  t.deepEqual(world.removed, ['ebpf']);
  await toggle.stop();
});

for (const ready of [true, false]) {
  const silent = ready ? 'all but one source has spoken' : 'no source has';
  test(`what a silent source may have defined goes with the exchange: ${silent}`, async (t) => {
    const world = new World();
    const toggle = await started(world);
    const { vips, pools } = world.forwarding;
    const [key = ''] = vips.keys();
    world.forwarding = { pools, vips: new Map([...vips].slice(1)) };
    world.said = ready ? { kept: new Set([key]) } : { ready };
    await toggle.to('ipvs', 60_000);
    t.deepEqual([...world.kernels.ipvs.vips.keys()].sort(), [...vips.keys()].sort());
    world.said = {};
    await toggle.to('ebpf', 60_000);
    t.deepEqual([...world.kernels.ebpf.vips.keys()], [...world.forwarding.vips.keys()]);
    await toggle.stop();
  });
}

test('the drain ends when its time is over, whatever is carried', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  await toggle.to('ipvs', 20);
  while (toggle.draining !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  t.deepEqual(world.removed, ['ebpf']);
  await toggle.stop();
});

test('a plane that carries nothing any more stays while connections of the other would end with it', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  world.needed = true;
  await toggle.to('ipvs', 60_000);
  world.kernels.ebpf.flows.length = 0;
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.like(toggle.draining, { plane: 'ebpf' });
  world.needed = false;
  while (toggle.draining !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  t.deepEqual(world.removed, ['ebpf']);
  await toggle.stop();
});

test('thousands of connections that are over hide none that goes on, and what closes may do so', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  const { flows } = world.kernels.ebpf;
  const flow = { vip: 'tcp/11.0.0.0:80', backend: '10.0.0.1:80', state: 'closing', idleSeconds: 60 } as const;
  flows.unshift(...Array.from({ length: 5_000 }, () => flow));
  await toggle.to('ipvs', 60_000);
  const later = () => new Promise((resolve) => setTimeout(resolve, 30));
  await later();
  t.like(toggle.draining, { plane: 'ebpf' }, 'one that is established');
  flows.splice(0, flows.length, flow, { ...flow, idleSeconds: 1 });
  await later();
  t.like(toggle.draining, { plane: 'ebpf' }, 'one whose last packets may be on their way');
  flows.splice(0, flows.length, flow, { ...flow, vip: 'udp/11.0.0.0:80', state: 'established', idleSeconds: 90 });
  while (toggle.draining !== undefined) await later();
  t.deepEqual(world.removed, ['ebpf']);
  await toggle.stop();
});

test('a plane that served before and can be run no more gives way to the first that can', async (t) => {
  const world = new World();
  await started(world, 'ebpf');
  world.unsupported = { ebpf: { ok: false, reason: 'this process lacks CAP_BPF', hint: 'run as root' } };
  const toggle = await started(world, 'ipvs');
  assertWhole(t, world, toggle, 'ipvs');
  t.is(toggle.active?.name, 'ipvs');
});

for (const resumed of [false, true]) {
  const way = resumed ? 'back to a plane that drains' : 'to a fresh plane';
  test(`a failure at any step of a toggle ${way} leaves the old plane as it was`, async (t) => {
    const steps = await stepsOf(resumed);
    t.true(steps >= 7, String(steps));
    for (let n = 1; n <= steps; n++) {
      const world = new World();
      const toggle = await ready(world, resumed);
      world.fuse = n;
      await t.throwsAsync(toggle.to('ipvs', 60_000), { code: 'TOGGLE_FAILED' }, `step ${n}`);
      assertWhole(t, world, toggle, `step ${n}`);
      t.is(toggle.active?.name, 'ebpf');
      t.is(toggle.draining?.plane, resumed ? 'ipvs' : undefined, `step ${n}`);
      t.is(world.kernels.ipvs.vips.size, resumed ? 3 : 0, `step ${n}`);
      await toggle.to('ipvs', 60_000);
      assertWhole(t, world, toggle, `again after step ${n}`);
      await toggle.stop();
    }
  });

  test(`a process that ends at any step of a toggle ${way} is made good by the next`, async (t) => {
    const steps = await stepsOf(resumed);
    for (let n = 1; n <= steps; n++) {
      const world = new World();
      const first = await ready(world, resumed);
      Object.assign(world, { fuse: n, kind: 'crash' });
      await t.throwsAsync(first.to('ipvs', 60_000));
      clearTimer(first);
      const next = world.process();
      await next.start('ebpf');
      t.is(world.record.change, undefined);
      await next.engage();
      assertWhole(t, world, next, `step ${n}`);
      const other = next.active?.name === 'ebpf' ? 'ipvs' : 'ebpf';
      if (next.draining === undefined) t.is(world.kernels[other].vips.size, 0, `step ${n}: ${other} is empty`);
      else t.is(next.draining.plane, other);
      await next.stop();
    }
  });
}

test('toggles that are asked for during a toggle come one after the other', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  await Promise.all((['ipvs', 'ebpf', 'ipvs', 'ebpf', 'ipvs'] as const).map((name) => toggle.to(name, 60_000)));
  assertWhole(t, world, toggle, 'after five');
  t.is(toggle.active?.name, 'ipvs');
  t.is(toggle.toggles, 5);
  t.deepEqual(world.removed, []);
  await toggle.stop();
});

test('what cannot be had is refused with the reason, and nothing is touched', async (t) => {
  const world = new World();
  world.unsupported = { ipvs: { ok: false, reason: 'this kernel has no IPVS', hint: 'another kernel' } };
  const toggle = await ready(world, false);
  const error = await t.throwsAsync(toggle.to('ipvs', 0));
  t.regex(error?.message ?? '', /stays as it was.*no IPVS.*another kernel/);
  assertWhole(t, world, toggle, 'refused');
  t.deepEqual(world.removed, []);
  await toggle.stop();
});

test('a plane that cannot hold every VIP does not engage', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  const ipvs = toggle.modules.planes.find(({ name }) => name === 'ipvs')!;
  const fault = { code: 'POLICY_UNSUPPORTED', object: 'VIP tcp/11.0.0.1:80', cause: 'cannot do its clampMss' };
  ipvs.apply = async (given) => given.map((_, i) => (i === 1 ? fault : undefined));
  const error = await t.throwsAsync(toggle.to('ipvs', 0));
  t.regex(error?.message ?? '', /clampMss/);
  assertWhole(t, world, toggle, 'refused');
  await toggle.stop();
});

test('definitions that change while it is programmed are there when it engages', async (t) => {
  const world = new World();
  const toggle = await ready(world, false);
  const later = new World(5);
  const ipvs = toggle.modules.planes.find(({ name }) => name === 'ipvs')!;
  const { apply } = ipvs;
  ipvs.apply = (given) => {
    world.forwarding = later.forwarding;
    return apply(given);
  };
  await toggle.to('ipvs', 60_000);
  t.true(world.holds('ipvs'));
  t.is(world.kernels.ipvs.vips.size, 5);
  await toggle.stop();
});

test('10,000 VIPs go over', async (t) => {
  const world = new World(10_000);
  const toggle = await ready(world, false);
  await toggle.to('ipvs', 60_000);
  assertWhole(t, world, toggle, 'after');
  t.is(world.kernels.ipvs.vips.size, 10_000);
  await toggle.stop();
});

test('an empty node begins with the plane it is told', async (t) => {
  const world = new World();
  const toggle = await started(world, 'ipvs');
  assertWhole(t, world, toggle, 'ipvs');
  t.is(toggle.active?.name, 'ipvs');
  const again = world.process();
  await again.start('ebpf');
  t.is(again.active?.name, 'ipvs', 'what an earlier process left goes on');
});

test('where nothing is remembered, what another plane has left goes once the chosen one serves', async (t) => {
  const world = new World();
  await started(world, 'ebpf');
  world.record = {};
  const toggle = await started(world, 'ipvs');
  assertWhole(t, world, toggle, 'ipvs');
  t.is(world.kernels.ebpf.vips.size, 0);
});

test('a node without a plane has none, and may get one', async (t) => {
  const world = new World();
  const toggle = world.process();
  await toggle.start(undefined);
  await toggle.engage();
  t.is(toggle.active, undefined);
  await toggle.to('ipvs', 0);
  assertWhole(t, world, toggle, 'got one');
  t.is(toggle.draining, undefined);
});

/** A process that is gone looks at nothing any more. */
function clearTimer(toggle: Toggle): void {
  void toggle.stop();
}
