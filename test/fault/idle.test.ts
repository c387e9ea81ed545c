import { type ExactFlow, FlowBits, type Settings } from '../../ts/dataplane/ebpf/lb.gen.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import { codecOf } from '../bpf/codec.js';
import { Agent, type OpenDialogue } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Connections on which nothing was said for hours. Nobody waits here: their entries are made to look as old as that.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
const names = ['one', 'two', 'three', 'four'];

function mapOf(lab: Lab, name: string): BpfMap {
  return BpfMap.openPinned(`${lab.bpffs}/vipd/maps/${name}`);
}

/** Rewrites every entry of a pinned map that has anything in it. */
function rewrite(lab: Lab, name: string, change: (value: Buffer) => Buffer): number {
  const map = mapOf(lab, name);
  const { keys, values, count } = map.dump();
  let changed = 0;
  for (let i = 0; i < count; i += 1) {
    const value = values.subarray(i * map.valueStride, (i + 1) * map.valueStride);
    if (value.every((byte) => byte === 0)) continue;
    map.set(keys.subarray(i * map.info.keySize, (i + 1) * map.info.keySize), change(value));
    changed += 1;
  }
  map.close();
  return changed;
}

const AGE_MASK = (1n << BigInt(FlowBits.FLOW_AGE_BITS)) - 1n;

/** In the table of ordinary flows ages are in units of 16 s. */
function ageFlows(lab: Lab, seconds: number): void {
  const units = BigInt(Math.round(seconds / 16));
  rewrite(lab, 'flows', (set) => {
    const words = new BigUint64Array(set.buffer.slice(set.byteOffset, set.byteOffset + set.byteLength));
    return Buffer.from(words.map((word) => word && (word & ~AGE_MASK) | ((word - units) & AGE_MASK)).buffer);
  });
}

function ageExactFlows(lab: Lab, seconds: number): number {
  const settings = mapOf(lab, 'settings');
  const { hz } = codecOf<Settings>('settings').decode(settings.get(Buffer.alloc(4))!);
  settings.close();
  const codec = codecOf<ExactFlow>('exact_flow');
  return rewrite(lab, 'exact_flows', (value) => {
    const flow = codec.decode(value);
    return codec.encode({ ...flow, used: flow.used - BigInt(seconds * hz) });
  });
}

const nameOf = async (dialogue: OpenDialogue) => {
  const answer = await dialogue.ask();
  return answer.error ?? answer.name;
};

for (const hook of ['tc', 'xdp'] as const) {
  for (const policy of [{}, { exact: true }]) {
    const how = 'exact' in policy ? ', tracked exactly,' : '';
    rootTest(`D22: ${hook}: a connection${how} that was idle for two hours goes on with its backend`, async (t) => {
      const { lab, client, servers, daemon } = await setScene(t, hook, names, (all) =>
        vips.map((vip, i) => serviceOf(`web${i}`, vip, all.slice(0, 2), policy)),
      );
      const open = await Promise.all(Array.from({ length: 16 }, (_, i) => client.open('tcp', target(vips[i % 2]!))));
      const before = await Promise.all(open.map(nameOf));
      await daemon.serve(vips.map((vip, i) => serviceOf(`web${i}`, vip, servers, policy)));
      const hours = 2 * 3_600;
      if ('exact' in policy) t.true(ageExactFlows(lab, hours) >= open.length);
      else ageFlows(lab, hours);
      const { flows } = await daemon.client.flows({ limit: 100 });
      t.true(flows.length >= open.length && flows.every(({ idleSeconds }) => idleSeconds >= hours - 32));
      t.deepEqual(await Promise.all(open.map(nameOf)), before);
    });
  }
}

rootTest(
  'D22: a connection with full NAT whose entry has expired is reset at its next packet, not left hanging',
  async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one', 'uplink'), 'one');
    const client = await Agent.start(lab, lab.site('client').namespace);
    await Daemon.start(lab, [serviceOf('web', vips[0], [server], { forwarding: 'full-nat' })]);
    const open = await client.open('tcp', target(vips[0]));
    t.is(await nameOf(open), 'one');
    ageExactFlows(lab, 2 * 3_600);
    t.is(await nameOf(open), 'one');
    ageExactFlows(lab, 3 * 3_600);
    t.is(await nameOf(open), 'ECONNRESET');
    t.like(await client.ask('tcp', target(vips[0])), { name: 'one' });
  },
);
