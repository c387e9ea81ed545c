import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Child } from '../../ts/quickstart/child.js';
import { Lab, type Owner } from '../helpers/lab.js';
import { knot, rivals, type Server } from './dns-servers.js';
import { benchName, names, upstreamZone } from './dns-zone.js';
import type { Say } from './record.js';
import { figure, median, table } from './statistics.js';

/** What one run of dnsperf measured. */
interface Run {
  readonly perSecond: number;
  /** Of the server's CPU time. */
  readonly perCpuSecond: number;
  readonly lost: number;
}

const upstreamPort = 5400;
const seconds = 3;
const several = availableParallelism() > 1;
/** The server has a CPU of its own; clients and upstream share another. */
const on = (cpu: number, argv: readonly string[]) => (several ? ['taskset', '-c', String(cpu), ...argv] : argv);

const ways = {
  local: ['-c', '8', '-q', '200'],
  tcp: ['-m', 'tcp', '-c', '8', '-q', '200'],
  cached: ['-c', '8', '-q', '200'],
  forwarded: ['-c', '8', '-q', '100'],
} as const;
type Way = keyof typeof ways;

/** Prints queries a second of CPU time for every server and way, and how long answers take at half the load it can bear. */
export async function dns(owner: Owner, rounds: number, say: Say): Promise<void> {
  const lab = Lab.create(owner);
  const files = questions(lab.directory, rounds);
  const upstream = Child.start(lab.node.inside(on(1, knot(lab.directory, 'upstream', upstreamPort).argv)));
  lab.beforeRemoval(() => upstream.stop());
  await upstream.wrote('server started', 20_000);
  const rows = [];
  for (const server of rivals(lab.directory, upstreamPort)) rows.push(await measured(lab, server, files, rounds));
  say(
    `${table([['queries per CPU second', ...Object.keys(ways), 'local q/s', 'p50 µs', 'p99 µs at half load'], ...rows])}\n`,
  );
  say(`medians of ${rounds} runs of ${seconds} s ± half the range; one thread each; 3 addresses an answer;`);
  say('local: names of the server itself; cached: of another, asked before; forwarded: of another, each once\n');
}

async function measured(lab: Lab, server: Server, files: Files, rounds: number): Promise<string[]> {
  const child = Child.start(lab.node.inside(on(0, server.argv)));
  try {
    await child.wrote(server.says, 30_000);
    const pid = await serverPid(child.pid);
    const cells = [];
    let locally: readonly Run[] = [];
    for (const way of Object.keys(ways) as Way[]) {
      const runs: Run[] = [];
      for (let i = 0; i < rounds && server.does.includes(way); i++)
        runs.push(await load(lab, server, pid, way, files[way](i)));
      if (way === 'local') locally = runs;
      cells.push(
        runs.length === 0
          ? '-'
          : figure(
              runs.map((run) => run.perCpuSecond),
              0,
            ) + lossText(runs),
      );
    }
    const half = await quantiles(lab, server, files.local(0), median(locally.map((run) => run.perSecond)) / 2);
    return [
      server.name,
      ...cells,
      figure(
        locally.map((run) => run.perSecond),
        0,
      ),
      ...half.map(String),
    ];
  } finally {
    await child.stop();
  }
}

/** What `nsenter` and `taskset` have turned into. */
async function serverPid(pid: number): Promise<number> {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? pid : serverPid(Number(children.split(' ')[0]));
}

async function load(lab: Lab, { port }: Server, pid: number, way: Way, file: string): Promise<Run> {
  const limits = way === 'forwarded' ? ['-n', '1', '-l', '30'] : ['-l', String(seconds)];
  const argv = ['dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', file, ...ways[way], ...limits];
  if (way === 'cached') await Child.start(lab.node.inside(on(1, [...argv, '-n', '1']))).success();
  const before = cpuSeconds(pid);
  const output = await Child.start(lab.node.inside(on(1, argv))).success();
  const completed = Number(/Queries completed:\s+(\d+)/.exec(output)?.[1]);
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(output)?.[1]);
  return { perSecond, perCpuSecond: completed / (cpuSeconds(pid) - before), lost };
}

/** Median and 99th percentile of the time to an answer, in microseconds. */
async function quantiles(lab: Lab, { port }: Server, file: string, perSecond: number): Promise<[number, number]> {
  const limits = ['-c', '8', '-q', '200', '-l', '2', '-Q', String(Math.round(perSecond)), '-v'];
  const argv = ['dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', file, ...limits];
  const output = await Child.start(lab.node.inside(on(1, argv))).success();
  const times = [...output.matchAll(/^> NOERROR .* ([\d.]+)$/gm)]
    .map(([, time]) => Number(time) * 1e6)
    .sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? Number.NaN);
  return [at(0.5), at(0.99)];
}

/** Of all its threads, user and system. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function lossText(runs: readonly Run[]): string {
  const lost = runs.reduce((sum, run) => sum + run.lost, 0);
  return lost === 0 ? '' : ` (${lost} lost)`;
}

/** By round: what is forwarded must never have been asked before. */
type Files = Readonly<Record<Way, (round: number) => string>>;

function questions(directory: string, rounds: number): Files {
  const write = (name: string, lines: readonly string[]) => {
    writeFileSync(`${directory}/${name}`, `${lines.join('\n')}\n`);
    return `${directory}/${name}`;
  };
  const local = write(
    'local',
    Array.from({ length: names }, (_, i) => `${benchName(i)} A`),
  );
  const cached = write(
    'cached',
    Array.from({ length: names }, (_, i) => `c${i}.${upstreamZone} A`),
  );
  const forwarded = Array.from({ length: rounds }, (_, round) =>
    write(
      `forwarded${round}`,
      Array.from({ length: 100_000 }, (_, i) => `r${round}-${i}.${upstreamZone} A`),
    ),
  );
  return { local: () => local, tcp: () => local, cached: () => cached, forwarded: (round) => forwarded[round]! };
}
