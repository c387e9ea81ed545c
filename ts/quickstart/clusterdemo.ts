import { join } from 'node:path';
import { packageRoot } from '../util/paths.js';
import { Child } from './child.js';
import type { Figures } from './client.js';
import { Fleet, type FleetNode } from './fleet.js';
import { claim } from './machine.js';
import { failures, table } from './report.js';
import { until } from './until.js';

/** What `npm start -- --cluster N` runs: N nodes of a cluster, a name asked on each of them, and the loss of one. */

const requests = 300;
const port = 80;
/** Where the vipd of each node answers DNS, for that node. */
const resolver = '198.51.100.1';
const fqdn = 'web.marathon.l4lb.thisdcos.directory';
export const url = `http://${fqdn}/`;
const program = (file: string) => [process.execPath, join(packageRoot, 'dist/ts/quickstart', file)];

/** Resolves to the number of requests that failed while nothing happened: with all nodes there, and once one was gone. */
export async function demonstrateCluster(size: number): Promise<{ failed: number; fleet: Fleet }> {
  claim();
  const fleet = Fleet.create({ id: 'vipd-quickstart-c', size });
  process.on('exit', () => fleet.remove());
  await Promise.all(fleet.nodes.map(begin));
  await Promise.all(fleet.nodes.map((node) => sees(node, size)));
  console.log(`${size} nodes, a network namespace each, with a vipd and a web server of its own:\n`);
  console.log(await membersText(fleet.nodes[0]!));
  console.log(
    `\n${requests} requests to ${url} from each, every one after asking the vipd of its node for the name:\n`,
  );
  const before = await askEverywhere(fleet.nodes);
  await loseNode(fleet);
  console.log('Asked once more:\n');
  return { failed: before + (await askEverywhere(fleet.nodes.slice(0, -1))), fleet };
}

async function begin(node: FleetNode): Promise<void> {
  await node.run([...program('server.js'), node.name, node.address, '8080']).wrote('listening');
  node.define([{ name: 'web', vip: `web.marathon:${port}`, backends: [`${node.address}:8080`], health }]);
  await node.up('--dns', 'true', '--dns-listen', resolver);
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
  const asked = await Promise.all(
    nodes.map(async (node) => [node.name, figuresOf(await ask(node).success())] as const),
  );
  console.log(`${table(Object.fromEntries(asked))}\n`);
  return failures(...asked.map(([, figures]) => figures));
}

function ask(node: FleetNode, count = requests, pause = 0): Child {
  const flags = ['--resolver', resolver, '--pause', String(pause)];
  return Child.start(node.inside([...program('client.js'), url, String(count), ...flags]));
}

const figuresOf = (text: string) => JSON.parse(text) as Figures;

/** Kills the last node with all that runs on it, while all others go on asking. */
async function loseNode({ nodes }: Fleet): Promise<void> {
  const [left, lost] = [nodes.slice(0, -1), nodes.at(-1)!];
  const asking = left.map((node) => ask(node, Number.POSITIVE_INFINITY, 20));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const killed = Date.now();
  lost.crash();
  const took = left.map(async (node) => {
    await sees(node, left.length);
    return (Date.now() - killed) / 1000;
  });
  const seconds = await Promise.all(took);
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // what still fails belongs to the report
  for (const child of asking) child.kill('SIGTERM');
  const figures = await Promise.all(asking.map(async (child) => figuresOf(await child.success())));
  console.log(`Killed ${lost.name}, its vipd and its web server, by SIGKILL, while the others went on asking:\n`);
  for (const [i, node] of left.entries()) console.log(`  ${lossText(node, seconds[i]!, figures[i]!, killed)}`);
  console.log(`\n${left[0]!.name} says of the backends:\n`);
  const { backends } = await left[0]!.client.vip({ key: 'web' });
  for (const { node, address, state, reason } of backends)
    console.log(`  ${node ?? left[0]!.name} ${address}: ${state}, ${reason}`);
  console.log();
}

function lossText({ name }: FleetNode, seconds: number, figures: Figures, killed: number): string {
  const answered = Object.values(figures.answers).reduce((sum, count) => sum + count, 0);
  const failed = failures(figures);
  const last = figures.failed && `, the last begun ${((figures.failed.last - killed) / 1000).toFixed(2)} s after`;
  const codes = Object.keys(figures.failures).join(', ');
  const share = `${failed} of ${answered + failed} requests failed${last ? ` (${codes})${last}` : ''}`;
  return `${name}: out of its kernel after ${seconds.toFixed(2)} s; ${share}`;
}

async function membersText(node: FleetNode): Promise<string> {
  const vipctl = join(packageRoot, 'packaging/bin/vipctl');
  const { VIPD_NODE = process.execPath } = process.env;
  return (await Child.start([vipctl, 'members', '--socket', node.socket], { env: { VIPD_NODE } }).success()).trimEnd();
}

/** What a reader may try while it goes on serving. */
export function clusterInvitation({ nodes: [first, ...others] }: Fleet): string {
  const last = others.at(-1)!;
  return [
    'Serving until Ctrl-C. In another terminal, in this directory, as root:',
    '',
    `  export VIPD_SOCKET=${first!.socket}`,
    ...['members', 'where web', 'explain web', 'status'].map((command) => `  packaging/bin/vipctl ${command}`),
    `  nsenter --net=${first!.namespace.path} dig @${resolver} +short ${fqdn}`,
    `  packaging/bin/vipctl members --socket ${others[0]!.socket}    # as another node sees it; ${last.name} is the dead one`,
    '',
  ].join('\n');
}
