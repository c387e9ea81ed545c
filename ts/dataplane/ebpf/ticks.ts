import { readFileSync } from 'node:fs';
import { BpfObject } from '../../libbpf/object.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { bpfObject } from '../../util/paths.js';
import { FlowBits } from './lb.gen.js';

/** The rates Linux can be configured with (kernel/Kconfig.hz). */
const RATES = [100, 250, 300, 1000];
const SAMPLE_MS = 150;
const EMPTY_FRAME = Buffer.alloc(64);
const WRAP = 2 ** 31;

/** Low 31 bits of the kernel's tick count, by the program `tc_ticks`. */
export function ticksOf(program: BpfProgram): number {
  return program.testRun({ data: EMPTY_FRAME }).retval;
}

/**
 * Kernel ticks per second. Nothing in /proc tells them on every kernel, so they are counted for a moment; takes 150 ms,
 * once, for the result is kept in the settings map.
 */
export function measureHz(): number {
  const object = BpfObject.open(readFileSync(bpfObject('tc_upkeep')), 'tc_ticks');
  for (const { name } of object.programs) object.autoload(name, name === 'tc_ticks');
  for (const { name, maxEntries } of object.maps) if (maxEntries > 1024 && name !== 'events') object.resize(name, 1);
  const loaded = object.load();
  try {
    const program = loaded.program('tc_ticks');
    const start = process.hrtime.bigint();
    const before = ticksOf(program);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SAMPLE_MS);
    const ticks = (ticksOf(program) - before + WRAP) % WRAP;
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    return nearestRate(ticks / seconds);
  } finally {
    loaded.close();
  }
}

/** The kernel starts to count so long before 32 bits wrap (INITIAL_JIFFIES of linux/jiffies.h), seconds. */
const BEFORE_WRAP = 300;

/** Pure: what `tc_ticks` says so long after the kernel's start. @param seconds by CLOCK_MONOTONIC */
export function ticksAt(seconds: number, hz: number): number {
  const ticks = Math.floor((seconds - BEFORE_WRAP) * hz) % WRAP;
  return ticks < 0 ? ticks + WRAP : ticks;
}

/** The age of a flow that is heard of now, where no program is loaded yet that could be asked. */
export function flowAgeNow(hz: number): number {
  const ticks = ticksAt(Number(process.hrtime.bigint()) / 1e9, hz);
  return (ticks >>> shiftOf(hz * 16)) & ((1 << FlowBits.FLOW_AGE_BITS) - 1);
}

/** Pure. */
export function nearestRate(perSecond: number): number {
  const distance = (rate: number) => Math.abs(Math.log(rate / Math.max(1, perSecond)));
  return RATES.reduce((best, rate) => (distance(rate) < distance(best) ? rate : best));
}

/** The shift that divides ticks into units nearest to so many ticks. */
export function shiftOf(ticks: number): number {
  return Math.round(Math.log2(ticks));
}
