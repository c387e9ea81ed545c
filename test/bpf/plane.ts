import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome as Applied, Step, VipCounters } from '../../ts/dataplane/dataplane.js';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import type { Limits } from '../../ts/dataplane/ebpf/programs.js';
import { cgroup2Mount } from '../../ts/libbpf/features.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import type { Hook, Way } from './case.js';
import type { Outcome, Verdict } from './check.js';

/** The real data plane with its programs loaded, on no interface; packets are handed to them one by one. */
export interface TestPlane {
  apply(steps: readonly Step[]): Promise<readonly Applied[]>;
  engage(): Promise<void>;
  disengage(): Promise<void>;
  verdicts(): Promise<Readonly<Record<string, bigint>>>;
  counters(): Promise<readonly VipCounters[]>;
  run(hook: Hook, way: Way, data: Buffer): Outcome;
  /** Back to an engaged plane without VIPs, pools and flows; counts go on. */
  reset(): Promise<void>;
  /** Leaves nothing behind. */
  close(): Promise<void>;
}

const LIMITS: Limits = { vips: 512, backends: 4096, flows: 4096 };

/** XDP_PASS and XDP_TX; TCX_NEXT, which is -1, and TC_ACT_REDIRECT. */
const VERDICTS: Readonly<Record<Hook, Readonly<Record<number, Verdict>>>> = {
  xdp: { 2: 'passed', 3: 'turned' },
  tc: { [-1]: 'passed', 7: 'turned' },
};

/** Opens a plane on a BPF file system and a cgroup of its own; the cgroup stays empty, so no socket meets a program. */
export async function openPlane(limits: Partial<Limits> = {}): Promise<TestPlane> {
  const bpffs = mkdtempSync(join(tmpdir(), 'vipd-test-'));
  const cgroup = join(cgroup2Mount() ?? '/sys/fs/cgroup', `vipd-test-${process.pid}-${process.hrtime.bigint()}`);
  execFileSync('mount', ['-t', 'bpf', 'bpf', bpffs]);
  mkdirSync(cgroup);
  const plane = new EbpfDataPlane({
    bpffs,
    cgroup,
    interfaces: { tc: [], xdp: [], xdpMode: 'auto' },
    limits: { ...LIMITS, ...limits },
    sampleConnections: 0,
  });
  const leave = async () => {
    await plane.remove();
    execFileSync('umount', [bpffs]);
    rmdirSync(bpffs);
    rmdirSync(cgroup);
  };
  try {
    await plane.open();
    await plane.engage();
  } catch (error) {
    await leave();
    throw error;
  }
  return {
    apply: (steps) => plane.apply(steps),
    engage: () => plane.engage(),
    disengage: () => plane.disengage(),
    verdicts: () => plane.verdicts(),
    counters: () => plane.counters(),
    run: (hook, way, data) => run(plane, hook, way, data),
    async reset() {
      const held = [...(await plane.read()).vips.keys()];
      await plane.apply([{ kind: 'pools', pools: [] }, ...held.map((key) => ({ kind: 'remove', key }) as const)]);
      forgetFlows(join(bpffs, 'maps', 'flows'));
      await plane.engage();
    },
    close: leave,
  };
}

function run(plane: EbpfDataPlane, hook: Hook, way: Way, data: Buffer): Outcome {
  const program = hook === 'xdp' ? 'xdp_ingress' : way === 'in' ? 'tc_ingress' : 'tc_egress';
  const result = plane.testRun(program, data);
  const signed = result.retval | 0;
  return { verdict: VERDICTS[hook][signed] ?? `other ${signed}`, data: result.data };
}

function forgetFlows(path: string): void {
  const flows = BpfMap.openPinned(path);
  const { maxEntries, valueSize } = flows.info;
  const keys = Buffer.from(Uint32Array.from({ length: maxEntries }, (_, i) => i).buffer);
  flows.setBatch(keys, Buffer.alloc(maxEntries * valueSize), maxEntries);
  flows.close();
}
