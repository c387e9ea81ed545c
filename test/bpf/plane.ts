import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome as Applied, DataPlane, Flow, Step, VipCounters } from '../../ts/dataplane/dataplane.js';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import type { Settings } from '../../ts/dataplane/ebpf/lb.gen.js';
import type { PortRange } from '../../ts/dataplane/ebpf/nat-ports.js';
import type { EbpfOptions } from '../../ts/dataplane/ebpf/options.js';
import type { Limits } from '../../ts/dataplane/ebpf/shared-maps.js';
import { cgroup2Mount } from '../../ts/libbpf/features.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import { BpfProgram } from '../../ts/libbpf/program.js';
import type { VipKey } from '../../ts/model/service.js';
import { type Hook, natPorts, type Way } from './case.js';
import type { Outcome, Verdict } from './check.js';
import { codecOf } from './codec.js';
import { TestSurroundings } from './test-surroundings.js';

/** The real data plane with its programs loaded, on no interface; packets are handed to them one by one. */
export interface TestPlane {
  apply(steps: readonly Step[]): Promise<readonly Applied[]>;
  /** @param beside a plane that goes on with what it has */
  engage(beside?: Pick<DataPlane, 'flows'>): Promise<void>;
  disengage(): Promise<void>;
  verdicts(): Promise<Readonly<Record<string, bigint>>>;
  counters(): Promise<readonly VipCounters[]>;
  flows(): Promise<readonly Flow[]>;
  run(hook: Hook, way: Way, data: Buffer): Outcome;
  /** The ids under which the kernel holds the backends of a VIP, and the like; see DataPlane. */
  inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined>;
  settings(): Settings;
  /** The kernel's side, by its pins; the caller closes what it gets. */
  openMap(name: string): BpfMap;
  openProgram(name: string): BpfProgram;
  /** Where a map or program is pinned, for tools that open it themselves. */
  pinOf(kind: 'maps' | 'programs', name: string): string;
  /** Back to an engaged plane without VIPs, pools and flows; counts go on. */
  reset(): Promise<void>;
  forgetFlows(): void;
  /** How packets leave the node, as the cases say. */
  readonly surroundings: TestSurroundings;
  /** Leaves nothing behind. */
  close(): Promise<void>;
}

const LIMITS: Limits = { vips: 512, backends: 4096, flows: 4096 };

/** XDP_PASS and XDP_TX; TCX_NEXT, which is -1, and TC_ACT_REDIRECT. */
const VERDICTS: Readonly<Record<Hook, Readonly<Record<number, Verdict>>>> = {
  xdp: { 1: 'dropped', 2: 'passed', 3: 'turned', 4: 'redirected' },
  tc: { [-1]: 'passed', 2: 'dropped', 7: 'turned' },
};

/**
 * Opens a plane on a BPF file system and a cgroup of its own; the cgroup stays empty, so no socket meets a program.
 * @param flowSeed of the flow hash; random when absent
 * @param more of what the operator may choose
 */
export async function openPlane(
  limits: Partial<Limits> = {},
  flowSeed?: bigint,
  ports: PortRange = natPorts,
  more: Pick<EbpfOptions, 'tunnelSources'> = {},
): Promise<TestPlane> {
  const bpffs = mkdtempSync(join(tmpdir(), 'vipd-test-'));
  const cgroup = join(cgroup2Mount() ?? '/sys/fs/cgroup', `vipd-test-${process.pid}-${process.hrtime.bigint()}`);
  execFileSync('mount', ['-t', 'bpf', 'bpf', bpffs]);
  mkdirSync(cgroup);
  const surroundings = new TestSurroundings();
  const options = {
    bpffs,
    cgroup,
    interfaces: { tc: [], xdp: [], xdpMode: 'auto' },
    limits: { ...LIMITS, ...limits },
    sampleConnections: 0,
    fullNat: { ports, sources: [] },
    ...more,
  } as const;
  const plane = new EbpfDataPlane(options, { surroundings });
  const leave = async () => {
    await plane.remove();
    execFileSync('umount', [bpffs]);
    rmdirSync(bpffs);
    rmdirSync(cgroup);
  };
  const openMap = (name: string) => BpfMap.openPinned(join(bpffs, 'maps', name));
  try {
    await plane.open();
    if (flowSeed !== undefined) {
      // The programs take the seed when they are loaded.
      settingsIn(openMap, { flow_seed: flowSeed });
      await plane.release();
      await plane.open();
    }
    await plane.engage();
  } catch (error) {
    await leave();
    throw error;
  }
  return {
    apply: (steps) => plane.apply(steps),
    engage: (beside) => plane.engage(beside),
    disengage: () => plane.disengage(),
    verdicts: () => plane.verdicts(),
    counters: () => plane.counters(),
    flows: () => plane.flows(100_000),
    run: (hook, way, data) => run(plane, hook, way, data),
    async reset() {
      const held = [...(await plane.read()).vips.keys()];
      await plane.apply([{ kind: 'pools', pools: [] }, ...held.map((key) => ({ kind: 'remove', key }) as const)]);
      forgetFlows(openMap);
      surroundings.place({});
      await plane.engage();
    },
    forgetFlows: () => forgetFlows(openMap),
    surroundings,
    inspect: (key) => plane.inspect(key),
    settings: () => settingsIn(openMap),
    openMap,
    openProgram: (name) => BpfProgram.openPinned(join(bpffs, 'programs', name)),
    pinOf: (kind, name) => join(bpffs, kind, name),
    close: leave,
  };
}

function run(plane: EbpfDataPlane, hook: Hook, way: Way, data: Buffer): Outcome {
  const program = hook === 'xdp' ? 'xdp_ingress' : way === 'in' ? 'tc_ingress' : 'tc_egress';
  const result = plane.testRun(program, data);
  const signed = result.retval | 0;
  return { verdict: VERDICTS[hook][signed] ?? `other ${signed}`, data: result.data };
}

type OpenMap = (name: string) => BpfMap;

function forgetFlows(openMap: OpenMap): void {
  const flows = openMap('flows');
  const { maxEntries, valueSize } = flows.info;
  const sets = Buffer.from(Uint32Array.from({ length: maxEntries }, (_, i) => i).buffer);
  flows.setBatch(sets, Buffer.alloc(maxEntries * valueSize), maxEntries);
  flows.close();
  for (const name of [
    'overflow_flows',
    'affinities',
    'source_rates',
    'exact_flows',
    'exact_answers',
    'exact_fragments',
  ]) {
    const map = openMap(name);
    const { keys, count } = map.dump();
    if (count > 0) map.deleteBatch(keys, count);
    map.close();
  }
}

function settingsIn(openMap: OpenMap, change: Partial<Settings> = {}): Settings {
  const map = openMap('settings');
  const codec = codecOf<Settings>('settings');
  const key = Buffer.alloc(4);
  const settings = { ...codec.decode(map.get(key)!), ...change };
  map.set(key, codec.encode(settings));
  map.close();
  return settings;
}
