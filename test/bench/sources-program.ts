import { fileURLToPath } from 'node:url';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import { parsePrefix } from '../../ts/model/address.js';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { type Desired, desired } from '../../ts/reconcile/desired.js';
import { Reconciler } from '../../ts/reconcile/reconcile.js';
import { HttpClient } from '../../ts/sources/http/client.js';
import { MesosMasterSource } from '../../ts/sources/mesos/master.js';
import { listedMasters } from '../../ts/sources/mesos/masters.js';
import { Sources } from '../../ts/sources/sources.js';

/** What one size costs, as this program prints it in JSON: milliseconds, and megabytes of this process. */
export interface SourceCost {
  readonly snapshot: number;
  readonly updates: readonly number[];
  readonly megabytes: number;
}

/** `sources-program.js PINS CGROUP TASKS`: from a master's stream to the kernel. */
const [bpffs = '', cgroup = '', count = '0'] = process.argv.slice(2);
const rounds = 30;
const pools = [parsePrefix('11.0.0.0/8')];

const child = Child.start([process.execPath, fileURLToPath(new URL('sources-master.js', import.meta.url)), count], {
  interactive: true,
});
const url = await until('the master', 60_000, () => child.output.includes('\n') && child.output.trim());

const http = new HttpClient({ files: {} });
const masters = listedMasters([url]);
const source = new MesosMasterSource({ encoding: 'json', ipv6: true, vips: true }, { http, masters });
const sources = new Sources({ waitMs: 60_000 }, { sources: [source] });
const limits = { vips: 32_768, backends: 131_072, flows: 65_536 };
const interfaces = { tc: [], xdp: [], xdpMode: 'auto' } as const;
const plane = new EbpfDataPlane({ bpffs, cgroup, interfaces, limits, sampleConnections: 0 });
await plane.open();

let last: Desired | undefined;
const wanted = () => {
  const inputs = { table: sources.table(), verdicts: { verdict: () => undefined, revision: () => 0 } };
  last = desired({ ...inputs, drained: new Set(), pools, now: Date.now() }, last);
  return { forwarding: last.forwarding, rows: last.vips, ready: sources.ready() };
};
const reconciler = new Reconciler({ intervalMs: 600_000 }, { plane, desired: wanted });
sources.onChange(() => reconciler.trigger());

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

const milliseconds = (from: bigint, to: bigint) => Number(to - from) / 1e6;
const vips = Math.ceil(Number(count) / 10);
const stop = new AbortController();
const started = process.hrtime.bigint();
const filled = held(() => reconciler.vips().filter(({ programmed }) => programmed === 'yes').length === vips);
sources.start(stop.signal);
reconciler.start();
const snapshot = milliseconds(started, await filled);
const megabytes = process.memoryUsage.rss() / (1 << 20);

const updates: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const n = (round * 7919) % Number(count);
  const name = `app${Math.floor(n / 10)}.marathon_80`;
  const before = child.output.length;
  const drained = held(() => {
    const vip = reconciler.vips().find((one) => one.name === name);
    return vip?.programmed === 'yes' && vip.backends.some(({ weight }) => weight === 0);
  });
  child.say(`task.${n}`);
  const at = await drained;
  const line = await until('its time', 10_000, () => /\d+\n/.exec(child.output.slice(before))?.[0]);
  updates.push(milliseconds(BigInt(line.trim()), at));
}
stop.abort();
await reconciler.stop();
await plane.remove();
await http.close();
await child.stop();
console.log(JSON.stringify({ snapshot, updates, megabytes } satisfies SourceCost));
process.exit(0);
