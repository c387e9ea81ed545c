import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { DataPlane, PlaneName } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane, MemoryKernel } from '../../../ts/dataplane/memory.js';
import { VipdError } from '../../../ts/util/errors.js';
import { run as vipctl } from '../cli/terminal.js';
import { Home, ready } from './running.js';

const web = 'services:\n  - { name: web, vip: "11.0.0.80:80", backends: ["10.0.0.1:8080"] }\n';
const key = 'tcp/11.0.0.80:80';

/** A machine with two kernels' worth of planes, as eBPF and IPVS are. */
class Twins {
  readonly kernels = { ebpf: new MemoryKernel(), ipvs: new MemoryKernel() };
  readonly missing = new Set<PlaneName>();
  /** Those whose programs the kernel refuses when they are loaded. */
  readonly refused = new Set<PlaneName>();

  planes(): DataPlane[] {
    const twins = this;
    return (['ebpf', 'ipvs'] as const).map((name) => {
      const plane = new MemoryDataPlane(this.kernels[name]);
      const probe: DataPlane['probe'] = async () =>
        this.missing.has(name)
          ? { ok: false, reason: `there is no ${name} here`, hint: 'another kernel' }
          : { ok: true };
      return new Proxy<DataPlane>(plane, {
        get(target, property) {
          if (property === 'name') return name;
          if (property === 'probe') return probe;
          if (property === 'open' && twins.refused.has(name)) return async () => Promise.reject(refusal(name));
          const value = Reflect.get(target, property);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    });
  }
}

function refusal(name: PlaneName): VipdError {
  return new VipdError({ code: 'PLANE_UNSUPPORTED', object: `data plane ${name}`, cause: 'load failed: E2BIG' });
}

async function start(t: ExecutionContext, home: Home, twins: Twins, mode: 'auto' | 'ebpf' | 'ipvs' = 'auto') {
  return ready(t, home, { planes: twins.planes(), options: { mode, drainTime: 60_000 } });
}

function home(t: ExecutionContext): Home {
  const made = new Home(t);
  made.write(web);
  return made;
}

test('auto takes eBPF where it is, else IPVS', async (t) => {
  const twins = new Twins();
  const place = home(t);
  const first = await start(t, place, twins);
  t.is((await first.client.status()).plane, 'ebpf');
  await first.stop();
  twins.missing.add('ebpf');
  const other = home(t);
  const second = await start(t, other, twins);
  t.like(await second.client.mode(), { wanted: 'auto', from: 'configuration', plane: 'ipvs' });
  t.true(twins.kernels.ipvs.engaged);
});

test('what the kernel refuses to load is as good as not there, but never a reason to leave what serves', async (t) => {
  const twins = new Twins();
  twins.refused.add('ebpf');
  const place = home(t);
  const first = await start(t, place, twins);
  const mode = await first.client.mode();
  t.like(mode, { wanted: 'auto', plane: 'ipvs' });
  t.like(
    mode.planes.find(({ name }) => name === 'ebpf'),
    { usable: false, reason: 'load failed: E2BIG' },
  );
  t.deepEqual([...twins.kernels.ipvs.vips.keys()], [key]);
  await first.stop();
  twins.refused.add('ipvs');
  await t.throwsAsync(start(t, place, twins), { message: /load failed/ }, 'it serves already');
  const nothing = await start(t, home(t), twins);
  t.like(await nothing.client.mode(), { plane: 'none', fault: { code: 'NO_DATA_PLANE' } });
});

test('after a boot into a kernel that refuses the plane on record another takes its place', async (t) => {
  for (const mode of ['auto', 'ipvs'] as const) {
    const twins = new Twins();
    const place = home(t);
    await (await start(t, place, twins, mode === 'auto' ? 'auto' : 'ebpf')).stop();
    twins.refused.add('ebpf');
    twins.kernels.ebpf = new MemoryKernel();
    const { client } = await start(t, place, twins, mode);
    t.like(await client.mode(), { wanted: mode, plane: 'ipvs', draining: undefined });
    t.deepEqual([...twins.kernels.ipvs.vips.keys()], [key]);
  }
});

test('vipctl mode exchanges the plane, is remembered, and metrics tell', async (t) => {
  const twins = new Twins();
  const place = home(t);
  const { client, stop } = await start(t, place, twins);
  twins.kernels.ebpf.flows.push({ vip: key, backend: '10.0.0.1:8080', state: 'established', idleSeconds: 0 });
  const { status, out } = await vipctl(place.socket, 'mode', 'ipvs', '--drain', '30s');
  t.is(status, 0, out);
  t.regex(out, /plane +ipvs/);
  t.regex(out, /draining +ebpf, (29|30) s at most/);
  t.deepEqual([twins.kernels.ebpf.engaged, twins.kernels.ipvs.engaged], [false, true]);
  t.deepEqual([...twins.kernels.ipvs.vips.keys()], [key]);
  const metrics = await client.metrics();
  t.regex(metrics, /vipd_plane_active\{plane="ipvs"\} 1/);
  t.regex(metrics, /vipd_plane_draining\{plane="ebpf"\} 1/);
  t.regex(metrics, /vipd_plane_changes_total 1/);
  await stop();
  const again = await start(t, place, twins);
  t.like(await again.client.mode(), { wanted: 'ipvs', from: 'operator', plane: 'ipvs', draining: { plane: 'ebpf' } });
});

test('a mode this machine cannot run is refused with the reason, and nothing changes', async (t) => {
  const twins = new Twins();
  twins.missing.add('ipvs');
  const place = home(t);
  const { client } = await start(t, place, twins);
  const { status, error } = await vipctl(place.socket, 'mode', 'ipvs');
  t.is(status, 1);
  t.regex(error, /there is no ipvs here.*another kernel/);
  t.like(await client.status(), { healthy: true, plane: 'ebpf', mode: { wanted: 'auto' } });
  t.is((await vipctl(place.socket, 'mode', 'xdp')).status, 2);
  t.is((await vipctl(place.socket, 'mode', 'ebpf', '--drain', 'soon')).status, 1);
});

test('another mode in the configuration is a live exchange at the next start', async (t) => {
  const twins = new Twins();
  const place = home(t);
  await (await start(t, place, twins, 'ebpf')).stop();
  twins.kernels.ebpf.flows.push({ vip: key, backend: '10.0.0.1:8080', state: 'established', idleSeconds: 0 });
  const { client } = await start(t, place, twins, 'ipvs');
  t.like(await client.mode(), { wanted: 'ipvs', plane: 'ipvs', draining: { plane: 'ebpf' } });
  t.true(twins.kernels.ipvs.engaged);
  t.true(twins.kernels.ebpf.vips.has(key), 'what it carries goes on');
});

for (const engaging of [false, true]) {
  const outcome = engaging ? 'finished' : 'undone';
  test(`an exchange that an operator chose and a kill cut short is ${outcome}, and so is the choice`, async (t) => {
    const twins = new Twins();
    const place = home(t);
    const first = await start(t, place, twins, 'ebpf');
    await first.client.setMode({ body: { mode: 'ebpf' } });
    await first.stop();
    twins.kernels.ebpf.flows.push({ vip: key, backend: '10.0.0.1:8080', state: 'established', idleSeconds: 0 });
    const record = { active: 'ebpf', change: { to: 'ipvs', engaging, drainMs: 60_000 } };
    const left = { version: 1, mode: 'ebpf', choosing: 'ipvs', record };
    writeFileSync(join(place.options.stateDir, 'plane.json'), JSON.stringify(left));
    const { client, stop } = await start(t, place, twins, 'ebpf');
    const mode = await client.mode();
    if (engaging) t.like(mode, { wanted: 'ipvs', from: 'operator', plane: 'ipvs', draining: { plane: 'ebpf' } });
    else t.like(mode, { wanted: 'ebpf', from: 'operator', plane: 'ebpf', draining: undefined });
    t.is((await client.metrics()).match(/vipd_plane_changes_total (\d+)/)?.[1], '0', 'not exchanged back');
    await stop();
    t.is(JSON.parse(readFileSync(join(place.options.stateDir, 'plane.json'), 'utf8')).choosing, undefined);
  });
}

test('a change of definitions reaches both planes while one drains', async (t) => {
  const twins = new Twins();
  const place = home(t);
  const { client } = await start(t, place, twins);
  twins.kernels.ebpf.flows.push({ vip: key, backend: '10.0.0.1:8080', state: 'established', idleSeconds: 0 });
  await client.setMode({ body: { mode: 'ipvs', drainMs: 60_000 } });
  await client.setService({ name: 'two', body: { vip: '11.0.0.81:80', backends: ['10.0.0.1:80'] } });
  while (!twins.kernels.ipvs.vips.has('tcp/11.0.0.81:80')) await new Promise((resolve) => setImmediate(resolve));
  t.true(twins.kernels.ebpf.vips.has('tcp/11.0.0.81:80'));
});

test('teardown removes both planes, and a state that is torn counts as none', async (t) => {
  const twins = new Twins();
  const place = home(t);
  const { client, ended } = await start(t, place, twins);
  twins.kernels.ebpf.flows.push({ vip: key, backend: '10.0.0.1:8080', state: 'established', idleSeconds: 0 });
  await client.setMode({ body: { mode: 'ipvs', drainMs: 60_000 } });
  await client.teardown();
  await ended;
  t.deepEqual([twins.kernels.ebpf.vips.size, twins.kernels.ipvs.vips.size], [0, 0]);
  const file = join(place.options.stateDir, 'plane.json');
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { version: 1, mode: 'ipvs', record: {} });
  writeFileSync(file, '{"vers');
  t.is((await (await start(t, place, twins)).client.status()).plane, 'ebpf');
});
