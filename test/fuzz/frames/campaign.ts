import { KernelLog } from '../kernel-log.js';
import { shrunk } from '../shrink.js';
import { type Finding, FrameFuzzer } from './fuzzer.js';

/** What came of a campaign: what is wrong, if anything, for people; and how much was tried. */
export interface Outcome {
  readonly failure: string | undefined;
  readonly summary: string;
}

/** Runs an epoch of frames for each seed, until one finds something. */
export async function fuzzFrames(seeds: Iterable<number>): Promise<Outcome> {
  const log = new KernelLog();
  const fuzzer = await FrameFuzzer.open();
  const start = performance.now();
  const totals = new Map<string, number>();
  try {
    let failure: string | undefined;
    for (const seed of seeds) {
      const finding = await fuzzer.epoch(seed);
      for (const [name, count] of fuzzer.tally) totals.set(name, (totals.get(name) ?? 0) + count);
      const alarms = log.alarms();
      failure = finding === undefined ? alarmText(seed, alarms) : await findingText(fuzzer, finding);
      if (failure !== undefined) break;
    }
    return { failure, summary: summaryOf(fuzzer.runs, performance.now() - start, totals) };
  } finally {
    await fuzzer.close();
    log.close();
  }
}

function alarmText(seed: number, alarms: readonly string[]): string | undefined {
  return alarms.length === 0 ? undefined : [`seed ${seed}: the kernel complains:`, ...alarms].join('\n');
}

async function findingText(fuzzer: FrameFuzzer, finding: Finding): Promise<string> {
  const { seed, problem, cause } = finding;
  const replay = `replay with: npm run fuzz -- frames --seed ${seed}`;
  if (cause === undefined) return [`seed ${seed}: ${problem}`, replay].join('\n');
  const { program, frame } = cause;
  const lines = [`seed ${seed}, ${program}: ${frame.toString('hex')}`, problem, replay];
  const fails = async (bytes: readonly number[]) => (await fuzzer.alone(program, Buffer.from(bytes))) !== undefined;
  if (!(await fails([...frame])))
    return [...lines, 'alone the frame is treated well: it needs what was sent before'].join('\n');
  const least = Buffer.from(await zeroed(await shrunk([...frame], fails), fails));
  return [...lines, `minimised: ${least.toString('hex')}`, `${await fuzzer.alone(program, least)}`].join('\n');
}

/** Bytes that do not matter become zero, so that the others stand out. */
async function zeroed(
  bytes: readonly number[],
  fails: (bytes: readonly number[]) => Promise<boolean>,
): Promise<number[]> {
  let left = [...bytes];
  for (const at of left.keys()) {
    const without = left.with(at, 0);
    if (left[at] !== 0 && (await fails(without))) left = without;
  }
  return left;
}

function summaryOf(runs: number, ms: number, totals: ReadonlyMap<string, number>): string {
  const parts = [...totals].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`);
  const rate = Math.round(runs / ms);
  return `${runs} frames, ${Math.round(runs / 3)} through each program, ${rate},000 a second: ${parts.join(', ')}`;
}
