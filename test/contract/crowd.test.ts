import type { Step } from '../../ts/dataplane/dataplane.js';
import { compareBackends, type ForwardedVip } from '../../ts/model/forwarding.js';
import { vipKey } from '../../ts/model/service.js';
import { rootTest } from '../helpers/needs.js';
import { Kernel } from './kernel.js';

// As many VIPs as a large cluster has.

const VIPS = 10_000;
const BACKENDS = 10;
const POOLS: Step = { kind: 'pools', pools: [{ address: '11.0.0.0', bits: 8 }] };

function vip(i: number, backends = BACKENDS): ForwardedVip {
  const list = Array.from({ length: backends }, (_, j) => ({
    address: `10.${i >> 8}.${i & 255}.${j + 1}`,
    port: 8080,
    weight: 1,
  }));
  const frontend = { address: `11.0.${i >> 8}.${i & 255}`, port: 80, protocol: 'tcp' } as const;
  return { frontend, backends: list.sort(compareBackends) };
}

rootTest('10,000 VIPs of 10 backends are read back, adopted, changed one by one, and removed', async (t) => {
  const kernel = await Kernel.open({ vips: 16_384, backends: 131_072, flows: 1 << 16 });
  t.teardown(() => kernel.dispose());
  const vips = Array.from({ length: VIPS }, (_, i) => vip(i));
  const steps = [POOLS, ...vips.map((vip): Step => ({ kind: 'upsert', vip }))];
  t.true((await kernel.plane.apply(steps)).every((outcome) => outcome === undefined));
  const wanted = new Map(vips.map((vip) => [vipKey(vip.frontend), vip]));
  t.deepEqual((await kernel.plane.read()).vips, wanted);

  await kernel.reopen();
  const before = (await kernel.plane.read()).vips;
  t.deepEqual(before, wanted);

  const changed = vip(5000, 7);
  const key = vipKey(changed.frontend);
  t.deepEqual(await kernel.plane.apply([{ kind: 'upsert', vip: changed }]), [undefined]);
  const after = (await kernel.plane.read()).vips;
  t.deepEqual(after.get(key), changed);
  t.true([...after].every(([other, held]) => other === key || held === before.get(other)));

  const removals = [...wanted.keys()].map((key): Step => ({ kind: 'remove', key }));
  t.true((await kernel.plane.apply(removals)).every((outcome) => outcome === undefined));
  t.is((await kernel.plane.read()).vips.size, 0);
});
