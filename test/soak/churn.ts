import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from '../../ts/quickstart/fleet.js';
import { table } from '../bench/statistics.js';
import { cpuSeconds, residentMiB } from '../helpers/process-cost.js';

export interface ChurnOptions {
  /** Of all nodes together, a second. */
  readonly changes: number;
  readonly seconds: number;
}

/** A node says all that changed within this time at once. */
const TICK_MS = 100;
/** Between two changes of one VIP, ticks: later ones overtake earlier ones that have not been said yet. */
const PERIOD = 10;

interface Sample {
  readonly cpu: number;
  readonly rss: number;
  /** Entries of others that were news. */
  readonly fresh: number;
}

/**
 * Every node adds and removes a backend of its own VIPs, each once a second, so that `changes` entries a second are new to
 * everybody. Prints what that costs each node, every minute and over all; resolves when the last change has been written.
 */
export async function churn(nodes: readonly FleetNode[], { changes, seconds }: ChurnOptions): Promise<void> {
  const vipsPerNode = Math.max(1, Math.round((changes * PERIOD * TICK_MS) / 1000 / nodes.length));
  const pids = await Promise.all(nodes.map(async ({ client }) => (await client.status()).pid));
  const sample = () => Promise.all(nodes.map((node, i) => sampleOf(node, pids[i]!)));
  const begun = performance.now();
  const before = await sample();
  let [last, lastAt, written] = [before, begun, 0];
  for (let tick = 1; performance.now() - begun < seconds * 1000; tick += 1) {
    for (const node of nodes) node.define(servicesOf(node, vipsPerNode, tick));
    written += (vipsPerNode * nodes.length) / PERIOD;
    if (performance.now() - lastAt > 60_000) {
      const now = await sample();
      console.log(lineOf(now, last, performance.now() - lastAt));
      [last, lastAt] = [now, performance.now()];
    }
    await sleep(Math.max(0, begun + tick * TICK_MS - performance.now()));
  }
  const took = performance.now() - begun;
  const after = await sample();
  const rows = nodes.map(({ name }, i) => {
    const [one, first] = [after[i]!, before[i]!];
    return [
      name,
      percent(one.cpu - first.cpu, took),
      first.rss.toFixed(0),
      one.rss.toFixed(0),
      (((one.fresh - first.fresh) / took) * 1000).toFixed(1),
    ];
  });
  console.log(
    `\n${((written / took) * 1000).toFixed(0)} changes a second were written for ${(took / 1000).toFixed(0)} s`,
  );
  console.log(`${table([['node', 'CPU %', 'RSS MB before', 'after', 'news/s'], ...rows])}\n`);
}

/** Every other period a VIP has one backend more; they take turns. */
function servicesOf(node: FleetNode, vips: number, tick: number) {
  return Array.from({ length: vips }, (_, i) => ({
    name: `${node.name}-${i}`,
    vip: `${node.name}-${i}.churn:80`,
    backends: [8080, 8081]
      .slice(0, 1 + (Math.floor((tick + i) / PERIOD) % 2))
      .map((port) => `${node.address}:${port + 10 * i}`),
  }));
}

async function sampleOf({ client }: FleetNode, pid: number): Promise<Sample> {
  const text = await client.metrics();
  const fresh = Number(/^vipd_cluster_entries_fresh_total (\d+)/m.exec(text)?.[1]);
  return { cpu: cpuSeconds(pid), rss: residentMiB(pid), fresh };
}

function lineOf(now: readonly Sample[], last: readonly Sample[], took: number): string {
  const mean = (of: (sample: Sample, before: Sample) => number) =>
    now.reduce((sum, one, i) => sum + of(one, last[i]!), 0) / now.length;
  const cpu = percent(
    mean((one, before) => one.cpu - before.cpu),
    took,
  );
  const news = (mean((one, before) => one.fresh - before.fresh) / took) * 1000;
  return `a minute: CPU ${cpu} %, RSS ${mean(({ rss }) => rss).toFixed(0)} MB, news ${news.toFixed(1)}/s a node`;
}

function percent(cpu: number, took: number): string {
  return ((cpu / took) * 100_000).toFixed(1);
}
