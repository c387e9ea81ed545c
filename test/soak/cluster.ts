import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { cpuSeconds, residentMiB } from '../helpers/process-cost.js';
import { inRotation, rotation } from '../helpers/rotation.js';
import { lose } from '../helpers/wires.js';
import { churn } from './churn.js';
import { flag } from './flag.js';

/**
 * `npm run soak -- cluster [--nodes N] [--rounds N] [--seconds N] [--changes N]`: real daemons on this machine through
 * everything that may befall a cluster, over and over; then so many changes a second for so long (100, ten minutes), and a
 * restart of all at once. Prints how long each took to be in all kernels, and what it cost; ends with status 1 at the first
 * that was not.
 */

const PATIENCE_MS = 180_000;

const size = flag('nodes', 20);
const rounds = flag('rounds', 1);
const fleet = Fleet.create({ id: `vipd-soak-${process.pid}-c`, size });
process.on('exit', () => fleet.remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const { nodes } = fleet;
const backend = (node: FleetNode, port = 8080) => `${node.address}:${port}`;
const define = (node: FleetNode, ...ports: readonly number[]) =>
  node.define([{ name: 'web', vip: 'web.marathon:80', backends: ports.map((port) => backend(node, port)) }]);
const pick = () => nodes[Math.floor(Math.random() * nodes.length)]!;

/** Waits until the kernels of these have just these backends; prints when the last had. */
async function seen(what: string, at: readonly FleetNode[], backends: readonly string[]): Promise<void> {
  const begun = performance.now();
  await Promise.all(
    at.map((node) => until(`${what} on ${node.name}`, PATIENCE_MS, () => inRotation(node, 'web', backends))),
  );
  console.log(`${what.padEnd(60)} ${((performance.now() - begun) / 1000).toFixed(2).padStart(8)} s`);
}

const all = () => nodes.map((node) => backend(node));
const without = (...gone: readonly FleetNode[]) => nodes.filter((node) => !gone.includes(node));

const faults: Readonly<Record<string, () => Promise<void>>> = {
  async change() {
    const node = pick();
    define(node, 8080, 8081);
    await seen(`one more backend on ${node.name}`, nodes, [...all(), backend(node, 8081)]);
    define(node, 8080);
    await seen(`and one less`, nodes, all());
  },
  async kill() {
    const node = pick();
    await node.end('SIGKILL');
    await seen(
      `${node.name} killed`,
      without(node),
      without(node).map((one) => backend(one)),
    );
    await node.up();
    await seen(`${node.name} back`, nodes, all());
  },
  async 'black hole'() {
    const node = pick();
    fleet.blackHole(node, true);
    await seen(
      `${node.name} in a black hole`,
      without(node),
      without(node).map((one) => backend(one)),
    );
    fleet.blackHole(node, false);
    await seen(`${node.name} out of it`, nodes, all());
  },
  async 'one way'() {
    const [from, to] = [nodes[0]!, nodes[1]!];
    lose(to, [from]);
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    await seen(`${from.name} cannot reach ${to.name}, others lead around`, nodes, all());
    lose(to);
    await seen('both ways again', nodes, all());
  },
  async halves() {
    const half = nodes.slice(0, nodes.length >> 1);
    const rest = nodes.slice(half.length);
    fleet.split(half);
    await Promise.all(
      [half, rest].map((part) =>
        seen(
          `half of ${part.length} alone`,
          part,
          part.map((one) => backend(one)),
        ),
      ),
    );
    fleet.split();
    await seen('halves together', nodes, all());
  },
  async 'all restarted'() {
    for (const node of nodes.toSorted(() => Math.random() - 0.5)) {
      await node.end('SIGTERM');
      await node.up();
      await until(`anything on ${node.name}`, PATIENCE_MS, async () => (await rotation(node, 'web')) !== '');
    }
    await seen('all restarted in random order', nodes, all());
  },
};

/** New processes: what they have used by the time all is there again is what the storm costs. */
async function storm(): Promise<void> {
  await Promise.all(nodes.map((node) => node.end('SIGKILL')));
  await Promise.all(nodes.map((node) => node.up()));
  await seen('all killed and started at once', nodes, all());
  const pids = await Promise.all(nodes.map(async ({ client }) => (await client.status()).pid));
  const mean = (of: (pid: number) => number) => pids.reduce((sum, pid) => sum + of(pid), 0) / pids.length;
  console.log(
    `  a node has used ${mean(cpuSeconds).toFixed(1)} s of CPU by then, and has ${mean(residentMiB).toFixed(0)} MB`,
  );
}

/** What was said last is everywhere when it is over. */
async function changes(): Promise<void> {
  const seconds = flag('seconds', 600);
  if (seconds === 0) return;
  await churn(nodes, { changes: flag('changes', 100), seconds });
  for (const node of nodes) define(node, 8080);
  await seen('after so many changes, what was said last', nodes, all());
}

export async function soak(): Promise<void> {
  for (const node of nodes) define(node, 8080);
  for (const node of nodes) await node.up();
  await seen(`${size} nodes up`, nodes, all());
  for (let round = 1; round <= rounds; round += 1) for (const fault of Object.values(faults)) await fault();
  await changes();
  await storm();
}
