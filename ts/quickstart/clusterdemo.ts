import { join } from 'node:path';
import { packageRoot } from '../util/paths.js';
import { Child } from './child.js';
import type { Figures } from './client.js';
import { Fleet, type FleetNode } from './fleet.js';
import { takeOver } from './machine.js';
import { failures, table } from './report.js';
import { until } from './until.js';

/** What `npm start -- --cluster N` runs: N nodes of a cluster, a name asked on each of them, and the loss of one. */

const requests = 300;
const name = 'web.marathon';
const port = 80;
const program = (file: string) => [process.execPath, join(packageRoot, 'dist/ts/quickstart', file)];

/** Resolves to the number of requests that failed while all nodes were there, and after one was gone. */
export async function demonstrateCluster(size: number): Promise<{ failed: number; fleet: Fleet }> {
  takeOver();
  const fleet = Fleet.create({ id: 'vipd-quickstart-c', size });
  process.on('exit', () => fleet.remove());
  await Promise.all(fleet.nodes.map(begin));
  await Promise.all(fleet.nodes.map((node) => sees(node, size)));
  console.log(`${size} nodes, each with one server of its own; all of them serve ${name}:\n`);
  console.log(await membersText(fleet.nodes[0]!));
  console.log(`\n${requests} requests to the name from each node:\n`);
  const before = await askEverywhere(fleet.nodes);
  const failed = before + (await loseNode(fleet));
  return { failed, fleet };
}

async function begin(node: FleetNode): Promise<void> {
  await node.run([...program('server.js'), node.name, node.address, '8080']).wrote('listening');
  node.define([{ name: 'web', vip: `${name}:${port}`, backends: [`${node.address}:8080`], health }]);
  await node.up();
}

const health = { type: 'http', interval: '500ms', timeout: '400ms' } as const;

/** Waits until the kernel of the node has this many backends in rotation. */
async function sees(node: FleetNode, count: number): Promise<void> {
  await until(`${count} backends on ${node.name}`, 60_000, async () => {
    const explained = await node.client.explain({ key: 'web' }).catch(() => undefined);
    const active = explained?.vip.backends.filter(({ state }) => state === 'active');
    return explained?.vip.programmed === 'yes' && explained.drift.length === 0 && active?.length === count;
  });
}

async function askEverywhere(nodes: readonly FleetNode[]): Promise<number> {
  const asked = await Promise.all(nodes.map(async (node) => [node.name, await ask(node, requests)] as const));
  console.log(`${table(Object.fromEntries(asked))}\n`);
  return failures(...asked.map(([, figures]) => figures));
}

async function ask(node: FleetNode, count: number): Promise<Figures> {
  const { name: found } = await node.client.where({ name });
  const address = found.addresses.find(({ forwards }) => forwards)?.address;
  const client = Child.start(node.inside([...program('client.js'), `http://${address}:${port}/`, String(count)]));
  return JSON.parse(await client.success()) as Figures;
}

/** Kills the last node with all that runs on it, while the first goes on asking. */
async function loseNode({ nodes }: Fleet): Promise<number> {
  const [first, lost] = [nodes[0]!, nodes.at(-1)!];
  const left = nodes.slice(0, -1);
  const meanwhile = ask(first, requests * 3);
  const killed = performance.now();
  lost.crash();
  const times = await Promise.all(
    left.map(async (node) => {
      await sees(node, left.length);
      return `${node.name} ${((performance.now() - killed) / 1000).toFixed(2)} s`;
    }),
  );
  const figures = await meanwhile;
  console.log(`Killed ${lost.name} with everything on it; out of the kernel of ${times.join(', of ')}.`);
  console.log(`Requests from ${first.name} at the time: ${failures(figures)} of ${requests * 3} failed.\n`);
  const { backends } = await first.client.vip({ key: 'web' });
  for (const { node, address, state, reason } of backends)
    console.log(`  ${node ?? first.name} ${address}: ${state}, ${reason}`);
  console.log('\nAsked once more:\n');
  return askEverywhere(left);
}

async function membersText(node: FleetNode): Promise<string> {
  const vipctl = join(packageRoot, 'packaging/bin/vipctl');
  const { VIPD_NODE = process.execPath } = process.env;
  return (await Child.start([vipctl, 'members', '--socket', node.socket], { env: { VIPD_NODE } }).success()).trimEnd();
}
