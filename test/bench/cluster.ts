import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import type { Owner } from '../helpers/lab.js';
import { cpuSeconds, residentMiB } from '../helpers/process-cost.js';
import type { Say } from './record.js';
import { table } from './statistics.js';

const sizes = [3, 10];
const PATIENCE_MS = 120_000;

interface Row {
  readonly size: number;
  readonly change: readonly number[];
  readonly kill: number;
  readonly heal: number;
  readonly idleCpuPercent: number;
  readonly megabytes: number;
}

/** Real daemons, a namespace each: how fast a change is in all kernels, a death, the end of a partition; and what it costs. */
export async function cluster(
  owner: Owner,
  rounds: number,
  most = Math.max(...sizes),
  say: Say = console.log,
): Promise<void> {
  const rows: Row[] = [];
  for (const size of [...new Set([...sizes.filter((one) => one < most), most])])
    rows.push(await measured(owner, size, rounds));
  const text = rows.map(({ size, change, kill, heal, idleCpuPercent, megabytes }) => [
    String(size),
    ...[at(change, 0.5), at(change, 0.99), kill, heal].map((ms) => (Number.isNaN(ms) ? '-' : ms.toFixed(0))),
    idleCpuPercent.toFixed(2),
    megabytes.toFixed(0),
  ]);
  const head = ['nodes', 'change p50 ms', 'p99 ms', 'kill -9 ms', 'heal ms', 'idle CPU %', 'RSS MB'];
  say(`${table([head, ...text])}\n`);
  say('from the write of the services file to the kernel of each other node, every node asked each 10 ms;');
  say('kill and heal: until the last node; CPU and RSS: mean of all daemons\n');
}

async function measured(owner: Owner, size: number, rounds: number): Promise<Row> {
  const fleet = Fleet.create({ id: `vipd-bench-${process.pid}-c`, size });
  owner.teardown(async () => fleet.remove());
  const { nodes } = fleet;
  for (const node of nodes) define(node, 1);
  for (const node of nodes) await node.up();
  await everywhere(nodes, size);
  const idle = await idleCost(nodes);
  const change: number[] = [];
  for (let round = 0; round < rounds * 4; round += 1) change.push(...(await oneChange(fleet, round)));
  const kill = await killing(fleet);
  const heal = size > 3 ? await healing(fleet) : Number.NaN;
  fleet.remove();
  return { size, change, kill, heal, ...idle };
}

function define(node: FleetNode, backends: number): void {
  const list = Array.from({ length: backends }, (_, i) => `${node.address}:${8080 + i}`);
  node.define([{ name: 'web', vip: 'web.marathon:80', backends: list }]);
}

async function rotation(node: FleetNode): Promise<number> {
  const vip = await node.client.vip({ key: 'web' }).catch(() => undefined);
  return vip?.programmed === 'yes' ? vip.backends.filter(({ state }) => state === 'active').length : -1;
}

async function everywhere(nodes: readonly FleetNode[], count: number): Promise<readonly number[]> {
  const begun = performance.now();
  return Promise.all(
    nodes.map(async (node) => {
      await until(`${count} backends on ${node.name}`, PATIENCE_MS, async () => (await rotation(node)) === count);
      return performance.now() - begun;
    }),
  );
}

async function oneChange({ nodes }: Fleet, round: number): Promise<readonly number[]> {
  const changing = nodes[round % nodes.length]!;
  const others = nodes.filter((node) => node !== changing);
  define(changing, 2);
  const up = await everywhere(others, nodes.length + 1);
  define(changing, 1);
  return [...up, ...(await everywhere(others, nodes.length))];
}

async function healing(fleet: Fleet): Promise<number> {
  const half = fleet.nodes.slice(0, fleet.nodes.length >> 1);
  const rest = fleet.nodes.slice(half.length);
  fleet.split(half);
  await Promise.all([everywhere(half, half.length), everywhere(rest, rest.length)]);
  fleet.split();
  return Math.max(...(await everywhere(fleet.nodes, fleet.nodes.length)));
}

async function killing({ nodes }: Fleet): Promise<number> {
  const lost = nodes.at(-1)!;
  lost.crash();
  const took = Math.max(...(await everywhere(nodes.slice(0, -1), nodes.length - 1)));
  await lost.up();
  await everywhere(nodes, nodes.length);
  return took;
}

/** Over ten seconds in which nothing changes. */
async function idleCost(nodes: readonly FleetNode[]): Promise<{ idleCpuPercent: number; megabytes: number }> {
  const pids = await Promise.all(nodes.map(async ({ client }) => (await client.status()).pid));
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = cpu();
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const idleCpuPercent = (cpu() - before) * (100 / 10 / nodes.length);
  const megabytes = pids.reduce((sum, pid) => sum + residentMiB(pid), 0) / nodes.length;
  return { idleCpuPercent, megabytes };
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;
}
