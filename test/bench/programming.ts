import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { Lab, type Owner } from '../helpers/lab.js';
import type { Programming } from './programming-program.js';
import type { Say } from './record.js';
import { figure, table } from './statistics.js';

const program = fileURLToPath(new URL('programming-program.js', import.meta.url));
const sizes = [10, 1000, 10_000];

const columns: readonly (readonly [string, keyof Programming])[] = [
  ['fill ms', 'fill'],
  ['read back ms', 'read'],
  ['one change ms', 'change'],
  ['adopt ms', 'adopt'],
  ['remove all ms', 'remove'],
  ['RSS MB', 'megabytes'],
];

/** Prints what programming costs at each size, every size once a round. */
export async function programming(owner: Owner, rounds: number, say: Say): Promise<void> {
  const lab = Lab.create(owner);
  const results = new Map<number, Programming[]>(sizes.map((size) => [size, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const size of sizes) results.get(size)?.push(await programmed(lab, size, 'ebpf'));
  }
  const rows = sizes.map((size) => {
    const measured = results.get(size) ?? [];
    return [String(size), ...columns.map(([, key]) => figure(measured.map((one) => one[key])))];
  });
  say(`${table([['VIPs of 10 backends', ...columns.map(([title]) => title)], ...rows])}\n`);
  say(`medians of ${rounds} rounds ± half the range; RSS of the process with everything adopted\n`);
}

/** What it costs in a process of its own, on a lab's node. */
export async function programmed(lab: Lab, size: number, plane: 'ebpf' | 'ipvs'): Promise<Programming> {
  const argv = [process.execPath, program, lab.directory, lab.cgroup.path, String(size), plane];
  return JSON.parse(await Child.start(lab.node.inside(argv)).success()) as Programming;
}
