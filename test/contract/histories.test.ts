import assert from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { BackendState, IdSetSpecial, LbSize } from '../../ts/dataplane/ebpf/lb.gen.js';
import { compareBackends, type ForwardedVip } from '../../ts/model/forwarding.js';
import { vipKey } from '../../ts/model/service.js';
import { rootTest } from '../helpers/needs.js';
import { times } from '../helpers/thorough.js';
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
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: times(5_000, 60_000), includeErrorInReport: true });
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

/** No id and no chunk got lost: as many VIPs and backends fit in as at first, and a table of half of all chunks. */
async function thereIsRoomAgain({ plane, limits }: Kernel): Promise<void> {
  const perVip = Math.floor(limits.backends / limits.vips);
  const many = Array.from({ length: limits.vips }, (_, i) => vipWith(i, new Array<number>(perVip).fill(1)));
  const wide = vipWith(0, limits === TIGHT ? [1, 256] : [1, ...new Array<number>(16).fill(256)]);
  await plane.apply([{ kind: 'pools', pools: [{ address: '11.0.0.0', bits: 8 }] }]);
  for (const vips of [many, [wide]]) {
    const outcomes = await plane.apply(vips.map((vip) => ({ kind: 'upsert', vip })));
    assert.deepEqual(outcomes, new Array(vips.length).fill(undefined));
    assert.equal((await plane.read()).vips.size, vips.length);
    await plane.apply(vips.map(({ frontend }) => ({ kind: 'remove', key: vipKey(frontend) })));
  }
  await plane.apply([{ kind: 'pools', pools: [] }]);
}

function vipWith(number: number, weights: readonly number[]): ForwardedVip {
  const backends = weights.map((weight, i) => ({ address: `10.1.${number}.${i}`, port: 80, weight }));
  return {
    frontend: { address: `11.0.1.${number}`, port: 80, protocol: 'tcp' },
    backends: backends.sort(compareBackends),
  };
}
