import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Control } from '../../ts/daemon/control.js';
import { NameService } from '../../ts/daemon/dns.js';
import { HostMachine } from '../../ts/daemon/machine.js';
import { parseOptions } from '../../ts/daemon/options.js';
import { taskSources } from '../../ts/daemon/tasksources.js';
import type { Outcome, Step } from '../../ts/dataplane/dataplane.js';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';

/** What one size costs, as this program prints it in JSON: milliseconds, and megabytes of this process. */
export interface SourceCost {
  readonly snapshot: number;
  /** From TASK_UPDATED to the kernel. */
  readonly updates: readonly number[];
  /** From TASK_RUNNING of the first task of a VIP to an answer of the resolver. */
  readonly names: readonly number[];
  /** Of 1,000 updates in two seconds the last, from its being told to the kernel. */
  readonly storm: number;
  readonly megabytes: number;
}

/** `sources-program.js PINS CGROUP TASKS`: all of a daemon but its API, from a master's stream to the kernel and the DNS. */
const [bpffs = '', cgroup = '', count = '0'] = process.argv.slice(2);
/** Enough that the first few, which a process that has just started takes longer for, are less than one in a hundred. */
const rounds = 500;
const launches = 30;
const stormed = 1_000;
const resolver = '198.51.100.1';

const program = (name: string, ...args: string[]) =>
  Child.start([process.execPath, fileURLToPath(new URL(name, import.meta.url)), ...args], { interactive: true });
const child = program('sources-master.js', count);
const url = await until('the master', 60_000, () => child.output.includes('\n') && child.output.trim());

const flags = {
  'mesos.master.urls': [url],
  'limits.vips': '32768',
  'limits.backends': '131072',
  'dns.listen': [resolver],
  reconcileInterval: '10m',
  sourceWait: '60s',
};
const stateDir = '/run/vipd-bench-sources';
const { options, faults } = parseOptions(undefined, { ...flags, bpffs, cgroup, stateDir });
if (faults.length > 0) throw new Error(JSON.stringify(faults));
const limits = { vips: options['limits.vips'], backends: options['limits.backends'], flows: 65_536 };
const interfaces = { tc: [], xdp: [], xdpMode: 'auto' } as const;
/** The plane, and who wants to know when the kernel holds a step. */
class TimedPlane extends EbpfDataPlane {
  onStep: (step: Step, at: bigint) => void = () => {};

  override async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const outcomes = await super.apply(steps);
    const at = process.hrtime.bigint();
    for (const [i, step] of steps.entries()) if (outcomes[i] === undefined) this.onStep(step, at);
    return outcomes;
  }
}

const plane = new TimedPlane({ bpffs, cgroup, interfaces, limits, sampleConnections: 0 });
await plane.open();
const [logger, machine] = [pino({ level: 'silent' }), new HostMachine({ bpffs, stateDir })];
const control = new Control(options, {
  ...{ plane, machine, logger },
  adopted: await plane.read(),
  tasks: taskSources(options),
});
const { reconciler } = control;
const names = new NameService(options, { machine, logger });
await names.start();
const asker = program('../simulators/asker.js', `${resolver}:53`);
await asker.wrote('asking');

/** Resolves with the time at the first pass after which the kernel has all that satisfies the condition. */
function held(condition: () => boolean): Promise<bigint> {
  return new Promise((resolve) => {
    const stop = reconciler.onPass(() => {
      const at = process.hrtime.bigint();
      if (!condition()) return;
      stop();
      resolve(at);
    });
  });
}

/** The next line that a program writes from `before` on. */
const lineOf = (from: Child, before: number) =>
  until('a line', 30_000, () => /^.*(?=\n)/m.exec(from.output.slice(before))?.[0]);

const milliseconds = (from: bigint, to: bigint) => Number(to - from) / 1e6;
const vips = Math.ceil(Number(count) / 10);
const started = process.hrtime.bigint();
const filled = held(() => reconciler.vips().filter(({ programmed }) => programmed === 'yes').length === vips);
control.listen();
await control.begin(new AbortController().signal);
names.follow(control);
const snapshot = milliseconds(started, await filled);
const megabytes = process.memoryUsage.rss() / (1 << 20);

/** Resolves with the time from which on the kernel holds a task, as sources-master.js numbers them, as a drained backend. */
function drained(n: number): Promise<bigint> {
  const own = `10.88.${(n >> 7) & 255}.${(n & 127) + 1}`;
  return new Promise((resolve) => {
    plane.onStep = (step, at) => {
      if (step.kind !== 'upsert') return;
      if (step.vip.backends.some(({ address, weight }) => address === own && weight === 0)) resolve(at);
    };
  });
}

async function update(n: number): Promise<number> {
  const before = child.output.length;
  const there = drained(n);
  child.say(`task.${n}`);
  const at = await there;
  return milliseconds(BigInt(await lineOf(child, before)), at);
}

async function storm(): Promise<number> {
  const before = child.output.length;
  const there = drained(stormed - 1);
  child.say(`*${stormed}`);
  const at = await there;
  return milliseconds(BigInt(await lineOf(child, before)), at);
}

/** Asks until a label of the framework has an address; resolves to when. */
function ask(label: string): Promise<bigint> {
  const asked = asker.output.length;
  asker.say(`${label}.marathon.l4lb.thisdcos.directory`);
  return lineOf(asker, asked).then((line) => BigInt((JSON.parse(line) as { at: string }).at));
}

async function launch(n: number): Promise<number> {
  const before = child.output.length;
  const answered = ask(`fresh${n}`);
  child.say(`+${n}`);
  const at = await answered;
  return milliseconds(BigInt(await lineOf(child, before)), at);
}

await ask('app0'); // the zones are filled
const updates: number[] = [];
const resolved: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const n = (round * 7919) % Number(count);
  if (n !== stormed - 1) updates.push(await update(n)); // the storm waits for that one
}
for (let round = 0; round < launches; round += 1) resolved.push(await launch(round));
const lag = await storm();
await control.stop();
names.stop();
await plane.remove();
await Promise.all([child.stop(), asker.stop()]);
console.log(JSON.stringify({ snapshot, updates, names: resolved, storm: lag, megabytes } satisfies SourceCost));
process.exit(0);
