import { join } from 'node:path';
import { faultOf, faultText, VipdError } from '../util/errors.js';
import { packageRoot } from '../util/paths.js';
import { Child } from './child.js';
import type { Figures } from './client.js';
import { Daemon, exec } from './daemon.js';
import { takeOver } from './machine.js';
import { ours, socket } from './places.js';
import { failures, invitation, table } from './report.js';
import * as topology from './topology.js';
import { client, resolver, type Site, servers, vip } from './topology.js';

/** What `npm start` runs: three servers behind a VIP, requests from two places, and the loss of a backend. */

const requests = 1000;
const url = `http://${vip.address}:${vip.port}/`;
const program = (name: string) => [process.execPath, join(packageRoot, 'dist/ts/quickstart', name)];

async function startServer({ namespace, address }: Site, name: string): Promise<Child> {
  const argv = [...program('server.js'), name, address, '8080'];
  const server = Child.start(ours.inside(namespace.inside(argv)));
  await server.wrote('listening');
  return server;
}

async function ask(place: (argv: readonly string[]) => string[]): Promise<Figures> {
  const asking = Child.start(place([...program('client.js'), url, String(requests / 2)]));
  return JSON.parse(await asking.success()) as Figures;
}

/** Half of the requests from the host, by the sock hook, half from the client's namespace, by the tc hook. */
async function askFromBoth(): Promise<number> {
  const host = await ask(exec);
  const namespace = await ask((argv) => client.namespace.inside(argv));
  console.log(`${table({ 'the host': host, [client.namespace.name]: namespace })}\n`);
  return failures(host, namespace);
}

/** Kills the first backend and waits until no connection goes there any more. */
async function loseBackend(daemon: Daemon, backend: Child, { namespace, address }: Site): Promise<void> {
  const killed = performance.now();
  backend.kill('SIGKILL');
  await daemon.sees('down', address);
  const seconds = ((performance.now() - killed) / 1000).toFixed(2);
  console.log(`Killed the backend in ${namespace.name} by SIGKILL; its health check took it out after ${seconds} s.`);
}

/** Resolves to the number of requests that failed. */
async function demonstrate(): Promise<{ daemon: Daemon; failed: number }> {
  takeOver();
  // It takes longest; interfaces and servers may well appear meanwhile, as they do on a node.
  const daemon = Daemon.start();
  topology.up();
  const backends = await Promise.all(servers.map((site) => startServer(site, site.namespace.name)));
  await daemon.sees('active');
  console.log(`vipd serves ${url} by ${servers.map(({ address }) => `${address}:8080`).join(', ')}\n`);
  console.log(`${requests} requests, each over a connection of its own:\n`);
  const before = await askFromBoth();
  await loseBackend(daemon, backends[0]!, servers[0]!);
  console.log(`${requests} more:\n`);
  return { daemon, failed: before + (await askFromBoth()) };
}

/** Of a cluster of so many nodes instead, after `--cluster`. */
function clusterSize(): number | undefined {
  const at = process.argv.indexOf('--cluster');
  if (at < 0) return undefined;
  const size = Number(process.argv[at + 1] ?? '3');
  if (Number.isInteger(size) && size >= 2 && size <= 20) return size;
  const cause = 'wants a number of nodes from 2 to 20';
  throw new VipdError({ code: 'USAGE_INVALID', object: '--cluster', cause });
}

async function clusterQuickstart(size: number, once: boolean): Promise<number> {
  const { clusterInvitation, demonstrateCluster } = await import('./clusterdemo.js');
  const { failed, fleet } = await demonstrateCluster(size);
  outcome = failed === 0 ? 0 : 1;
  if (once) return outcome;
  console.log(clusterInvitation(fleet));
  return new Promise(() => {}); // until Ctrl-C
}

/** Ends with the daemon, or with `--once` after the figures; resolves to the exit status. */
async function quickstart(once: boolean): Promise<number> {
  const size = clusterSize();
  if (size !== undefined) return clusterQuickstart(size, once);
  const { daemon, failed } = await demonstrate();
  outcome = failed === 0 ? 0 : 1;
  if (once) return outcome;
  console.log(invitation(socket, url, resolver));
  console.error(`vipd: daemon: ${await daemon.ended}`);
  return 1;
}

/** The exit status at Ctrl-C: before there are figures, 130 as for any interrupted program. */
let outcome = 130;
const interrupted = new Promise<number>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve(outcome));
});
try {
  process.exit(await Promise.race([quickstart(process.argv.includes('--once')), interrupted]));
} catch (error) {
  console.error(`vipd: ${faultText(faultOf(error, 'quickstart'))}`);
  process.exit(1);
}
