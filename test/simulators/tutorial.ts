import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../ts/api/client.js';
import { unixTransport } from '../../ts/api/unix.js';
import { Child } from '../../ts/quickstart/child.js';
import { attempt } from '../../ts/quickstart/command.js';
import { exec } from '../../ts/quickstart/daemon.js';
import { takeOver } from '../../ts/quickstart/machine.js';
import { clients, directory, ours, pins, socket } from '../../ts/quickstart/places.js';
import { pool, servers } from '../../ts/quickstart/topology.js';
import { until } from '../../ts/quickstart/until.js';
import { faultOf, faultText } from '../../ts/util/errors.js';
import { packageRoot } from '../../ts/util/paths.js';
import { Cluster } from './cluster.js';
import type { Place } from './driver.js';
import { type Load, startLoad } from './load.js';

/**
 * What `npm start -- --mesos` runs: a simulated Mesos cluster with Marathon whose three agents are network namespaces, and
 * one vipd that follows the master. An app is deployed, scaled, hurt and moved; what a client sees is counted.
 */

const APP = '/dcos-101/app2';
const PORT = 10_000;
const NAME = 'dcos-101app2.marathon.l4lb.thisdcos.directory';
const TASK = 'app2-dcos-101.marathon.autoip.dcos.thisdcos.directory';
const DNS = '127.0.0.1:10053';
const vipd = join(packageRoot, 'packaging/bin/vipd');

const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([DNS]);

const places: readonly Place[] = servers.map(({ namespace, address }, i) => ({
  agent: `simulated-S${i + 1}`,
  address,
  inside: (argv) => ours.inside(namespace.inside(argv)),
}));

let lostRequests = 0;

/** Two columns: what was done, and what a client saw of it. */
function say(what: string, seen: string): void {
  console.log(`  ${what.padEnd(58)} ${seen}`);
}

function startDaemon(cluster: Cluster): Child {
  const flags = [
    ...cluster.masters.flatMap(({ url }) => ['--mesos-master', url]),
    ...['--pool', pool, '--socket', socket, '--bpffs', pins, '--state-dir', `${directory}/state`],
    ...[
      '--cgroup',
      clients.path,
      '--tc',
      'vipd-qs*',
      '--dns',
      'true',
      '--dns-listen',
      DNS,
      '--sample-connections',
      '0',
    ],
  ];
  return Child.start(ours.inside([vipd, ...flags]));
}

const nameResolves = (name: string) =>
  until(name, 30_000, () =>
    resolver.resolve4(name).then(
      ([address]) => address,
      () => undefined,
    ),
  );

/** Waits until the VIP has so many backends in rotation, in the kernel as well; resolves to how long that took. */
async function rotation(client: Client, active: number): Promise<string> {
  const started = performance.now();
  await until(`${active} backends in rotation`, 30_000, async () => {
    const explained = await client.explain({ key: 'dcos-101app2.marathon_10000' }).catch(() => undefined);
    const states = explained?.vip.backends.filter(({ state }) => state === 'active');
    return explained?.drift.length === 0 && states?.length === active;
  });
  return `${((performance.now() - started) / 1000).toFixed(2)} s`;
}

/** Half-second looks at the client after a loss, the last of which must be without a failure. */
const LOOKS = 20;

/**
 * Does something while a client goes on asking, and says what became of its requests. None may fail, or, where something
 * is `lost` that nobody could announce, none any more once it was noticed.
 */
async function under(load: Load, what: string, outcome: 'none' | 'lost', action: () => Promise<string>): Promise<void> {
  await load.take();
  const took = await action();
  const answers: Record<string, number> = {};
  const failures: Record<string, number> = {};
  let failing = 0;
  for (let looks = outcome === 'lost' ? LOOKS : 1; looks > 0; looks -= 1) {
    await sleep(500);
    const seen = await load.take();
    add(answers, seen.answers);
    add(failures, seen.failures);
    failing = sum(seen.failures);
    if (failing === 0) break;
  }
  lostRequests += failing;
  const [total, failed] = [sum(answers), sum(failures)];
  const by = Object.keys(answers)
    .map((name) => name.replace(/^.*instance-/, '#'))
    .sort()
    .join(' ');
  const reasons = Object.entries(failures)
    .map(([code, n]) => `${n} ${code}`)
    .join(', ');
  say(what, `${took.padEnd(8)} ${total} answers by ${by}, ${failed === 0 ? 'none failed' : `failed: ${reasons}`}`);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

function add(to: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, n] of Object.entries(counts)) to[key] = (to[key] ?? 0) + n;
}

async function tutorial(): Promise<void> {
  takeOver();
  const cluster = await Cluster.start(places, { address: '127.0.0.1' });
  const daemon = startDaemon(cluster);
  const client = createClient(unixTransport(socket));
  await until('an answer of vipd', 30_000, async () => {
    if (daemon.result !== undefined) throw new Error(`vipd ended: ${daemon.output}`);
    return client.status().catch(() => undefined);
  });
  const scale = async (instances: number) => {
    cluster.marathon.put({ ...app, instances });
    await cluster.driver.settle(APP);
  };
  const { default: app } = await import(join(packageRoot, 'examples/marathon/app2.json'), { with: { type: 'json' } });
  console.log(
    `\nA simulated Mesos: masters ${cluster.masters.map(({ url }) => url).join(', ')}, three agents, Marathon ${cluster.marathon.url}\n`,
  );
  const deployed = performance.now();
  await scale(1);
  const running = performance.now();
  const address = await nameResolves(NAME);
  const seconds = ((performance.now() - running) / 1000).toFixed(2);
  say(`deployed ${APP} with one instance`, `TASK_RUNNING after ${((running - deployed) / 1000).toFixed(2)} s`);
  say(NAME, `is ${address}, resolved ${seconds} s after TASK_RUNNING`);
  say(TASK, `is ${await nameResolves(TASK)}, its task's`);
  const load = await startLoad(exec, `http://${address}:${PORT}/`);
  await rotation(client, 1);
  await under(load, 'one instance', 'none', async () => '');
  await under(load, 'scaled to two', 'none', async () => {
    await scale(2);
    return rotation(client, 2);
  });
  await under(load, 'scaled back to one: drained at TASK_KILLING, then ended', 'none', async () => {
    const [, second] = cluster.driver.of(APP);
    const settled = scale(1);
    const took = await rotation(client, 1);
    await settled;
    return second ? took : took;
  });
  await scale(2);
  await rotation(client, 2);
  await under(load, 'a check of one fails', 'none', async () => {
    cluster.world.check(cluster.driver.of(APP)[0]!.id, false);
    return rotation(client, 1);
  });
  cluster.world.check(cluster.driver.of(APP)[0]!.id, true);
  await rotation(client, 2);
  await under(load, 'one process killed by SIGKILL, Marathon starts another', 'lost', async () => {
    cluster.driver.of(APP)[0]!.child.kill('SIGKILL');
    await until('another', 20_000, () => cluster.driver.of(APP).length === 2);
    return rotation(client, 2);
  });
  await under(load, 'the leading master fails over; agents register one by one', 'none', async () => {
    cluster.failOver(300);
    await until('all agents', 20_000, () => [...cluster.world.agents.values()].every(({ registered }) => registered));
    return rotation(client, 2);
  });
  await under(load, 'an agent is lost, with the network to it', 'lost', async () => {
    const { place } = cluster.driver.of(APP)[0]!;
    const site = servers.find((one) => one.address === place.address)!;
    attempt(['ip', 'link', 'set', site.link, 'down']);
    await cluster.driver.lose(place.agent);
    return rotation(client, 2);
  });
  await load.stop();
  console.log(`\n${await labelsText()}`);
  await daemon.stop();
  await cluster.close();
}

async function labelsText(): Promise<string> {
  const vipctl = join(packageRoot, 'packaging/bin/vipctl');
  return Child.start([vipctl, 'endpoints', APP, '--socket', socket]).success();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
try {
  await tutorial();
  process.exit(lostRequests === 0 ? 0 : 1);
} catch (error) {
  console.error(`vipd: ${faultText(faultOf(error, 'tutorial'))}`);
  process.exit(1);
}
