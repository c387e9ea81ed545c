import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { Lab, type Owner } from '../helpers/lab.js';
import type { Say } from './record.js';
import type { SourceCost } from './sources-program.js';
import { figure, median, table } from './statistics.js';

const program = fileURLToPath(new URL('sources-program.js', import.meta.url));
const sizes = [1_000, 10_000];

/** Prints what it costs to follow a Mesos master: its snapshot, and one task of it, until the kernel has them. */
export async function sources(owner: Owner, rounds: number, say: Say): Promise<void> {
  const lab = Lab.create(owner);
  const rows: string[][] = [];
  for (const size of sizes) {
    const costs: SourceCost[] = [];
    for (let round = 0; round < rounds; round += 1) costs.push(await followed(lab, size));
    const updates = costs.flatMap((one) => one.updates);
    const names = costs.flatMap((one) => one.names);
    rows.push([
      String(size),
      figure(
        costs.map(({ snapshot }) => snapshot),
        0,
      ),
      median(updates).toFixed(1),
      p99(updates),
      Math.max(...updates).toFixed(1),
      median(names).toFixed(1),
      p99(names),
      median(costs.map(({ storm }) => storm)).toFixed(1),
      figure(
        costs.map(({ megabytes }) => megabytes),
        0,
      ),
    ]);
  }
  const titles = [
    'tasks, ten a VIP',
    'snapshot ms',
    'TASK_UPDATED ms',
    'p99',
    'worst',
    'RUNNING to DNS ms',
    'p99',
    'storm ms',
    'RSS MB',
  ];
  say(`${table([titles, ...rows])}\n`);
  say(`from subscribing, and from one event, until the kernel holds it; from TASK_RUNNING until the name of a new VIP has an
address; from the last of 1,000 updates, 500 a second, until the kernel holds it; ${rounds} rounds of 500 events and 30 names\n`);
}

function p99(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN).toFixed(1);
}

async function followed(lab: Lab, size: number): Promise<SourceCost> {
  const argv = [process.execPath, program, `${lab.bpffs}/sources`, lab.cgroup.path, String(size)];
  return JSON.parse(await Child.start(lab.node.inside(argv)).success()) as SourceCost;
}
