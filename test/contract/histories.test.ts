import assert from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { BackendState, IdSetSpecial, LbSize } from '../../ts/dataplane/ebpf/lb.gen.js';
import type { ForwardedVip } from '../../ts/model/forwarding.js';
import { rootTest } from '../helpers/needs.js';
import { history } from './history.js';
import { Kernel } from './kernel.js';
import { World } from './world.js';

/** So little room that a history fills it. */
const TIGHT = { vips: 9, backends: 24, flows: 1 << 16 };
const ROOMY = { vips: 64, backends: 256, flows: 1 << 16 };

async function playHistories(t: ExecutionContext, limits: typeof TIGHT): Promise<void> {
  let kernel = await Kernel.open(limits);
  let clean = true;
  t.teardown(() => kernel.dispose());
  const property = fc.asyncProperty(history, async (acts) => {
    if (!clean) {
      await kernel.dispose();
      kernel = await Kernel.open(limits);
    }
    clean = false;
    const world = new World(kernel);
    for (const act of acts) await world.play(act);
    await world.end();
    nothingIsLeft(kernel);
    await thereIsRoomAgain(kernel);
    clean = true;
  });
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 13_000, includeErrorInReport: true });
  t.pass();
}

rootTest('random histories in maps that fill up', (t) => playHistories(t, TIGHT));
rootTest('random histories with room enough', (t) => playHistories(t, ROOMY));

/** Only generations, and tombstones in sets that were full once, outlive what they were for. */
function nothingIsLeft(kernel: Kernel): void {
  assert.deepEqual([...kernel.content('vips').keys()], []);
  for (const [id, record] of kernel.content('backends')) {
    const { generation, rest } = withoutGeneration(record);
    assert.ok(generation > 0 && rest.every((byte) => byte === BackendState.BACKEND_FREE), `backend ${id}`);
  }
  for (const map of ['vip_sets', 'reply_sets']) {
    for (const [index, set] of kernel.content(map)) {
      const ids = Array.from({ length: LbSize.ID_SET_WAYS }, (_, way) => set.readUInt32LE(way * 8));
      assert.deepEqual(ids, ids.fill(IdSetSpecial.ID_SET_TOMBSTONE), `${map} ${index}`);
    }
  }
}

/** Behind address, port, protocol, state and VIP: see struct backend. */
const GENERATION_AT = 24;

function withoutGeneration(record: Buffer): { generation: number; rest: Buffer } {
  const rest = Buffer.concat([record.subarray(0, GENERATION_AT), record.subarray(GENERATION_AT + 4)]);
  return { generation: record.readUInt32LE(GENERATION_AT), rest };
}

/** No id and no chunk got lost: as many VIPs and backends fit in as at first. */
async function thereIsRoomAgain({ plane, limits }: Kernel): Promise<void> {
  const perVip = Math.floor(limits.backends / limits.vips);
  const vips = Array.from({ length: limits.vips }, (_, i): ForwardedVip => {
    const backends = Array.from({ length: perVip }, (_, j) => ({ address: `10.1.${i}.${j}`, port: 80, weight: 1 }));
    return { frontend: { address: `11.0.1.${i}`, port: 80, protocol: 'tcp' }, backends };
  });
  const pools = [{ address: '11.0.0.0', bits: 8 }];
  const filling = [{ kind: 'pools', pools } as const, ...vips.map((vip) => ({ kind: 'upsert', vip }) as const)];
  assert.deepEqual(await plane.apply(filling), new Array(filling.length).fill(undefined));
  const keys = [...(await plane.read()).vips.keys()];
  assert.equal(keys.length, limits.vips);
  await plane.apply(keys.map((key) => ({ kind: 'remove', key })));
  await plane.apply([{ kind: 'pools', pools: [] }]);
}
