import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { faultOf, faultText } from '../../ts/util/errors.js';
import { Cluster } from './cluster.js';
import type { Place } from './driver.js';
import { Listener, sendText } from './http.js';
import { play, quirks } from './quirks.js';

/** `npm run simulate -- --agents 3 --apps examples/marathon/*.json`: a Mesos cluster with Marathon to try vipd with. */

interface Options {
  readonly agents: string;
  readonly apps: readonly string[];
  readonly address: string;
  readonly clock: string;
}

const PORTS = { masterPort: 5050, marathonPort: 8080, agentPort: 5051 };
const QUIRKS_PORT = 5049;

/** Agents with addresses of the loopback interface, and tasks that are processes of this machine. */
function places(count: number): readonly Place[] {
  let given = 0;
  const own = () => {
    given += 1;
    return `127.1.${given >> 8}.${given & 255}`;
  };
  return Array.from({ length: count }, (_, i) => ({
    agent: `simulated-S${i}`,
    address: `127.0.1.${i + 1}`,
    inside: (argv: readonly string[]) => argv,
    own,
  }));
}

/** `curl -X POST http://127.0.0.1:5049/lose/simulated-S1` does what the words of the path say; without one it lists them. */
async function quirksOf(cluster: Cluster, address: string): Promise<Listener> {
  const list = quirks.map(({ usage, does }) => `${usage.padEnd(48)} ${does}\n`).join('');
  const listener = new Listener(({ method, url = '/' }, response) => {
    if (method !== 'POST') return sendText(response, 200, list);
    try {
      play(cluster, url.split('/').slice(1).map(decodeURIComponent));
      return sendText(response, 200, 'done\n');
    } catch (error) {
      return sendText(response, 400, `${faultText(faultOf(error, url))}\n`);
    }
  });
  return listener.listen(address, QUIRKS_PORT);
}

async function simulate({ agents, apps, address, clock }: Options): Promise<void> {
  const cluster = await Cluster.start(places(Number(agents)), { address, clock: Number(clock), ...PORTS });
  const control = await quirksOf(cluster, address);
  const end = async () => {
    await Promise.all([cluster.close(), control.close()]);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end());
  for (const file of apps) {
    const app = JSON.parse(readFileSync(file, 'utf8')) as { id: string };
    cluster.marathon.put(app);
  }
  await Promise.race([
    Promise.all([...cluster.marathon.apps.keys()].map((id) => cluster.driver.settle(id))),
    sleep(10_000),
  ]);
  describe(cluster, control.url);
}

function describe({ masters, marathons, agents, driver }: Cluster, quirksUrl: string): void {
  console.log(`masters    ${masters.map(({ url }) => url).join(' (leads), ')}`);
  for (const { id, url } of agents) console.log(`agent      ${url}  ${id}`);
  console.log(`Marathons  ${marathons.map(({ url }) => url).join(' (leads), ')}`);
  for (const { id, placement } of driver.running.values())
    console.log(`task       ${id}  ${placement.sockets.join(' ')}`);
  const json = `-H 'content-type: application/json' -d '{"instances":3}'`;
  console.log(`
vipd --mesos-master ${masters[0].url} serves it. Ctrl-C ends it. In another terminal:

  curl -X PUT ${json} ${marathons[0].url}/v2/apps/dcos-101/app2
  curl ${quirksUrl}                    # lists what else clusters do
  curl -X POST ${quirksUrl}/failover   # and does it`);
}

const command = new Command('simulate')
  .description('a Mesos cluster with Marathon: two of each, agents, and servers as tasks')
  .option('--agents <n>', 'how many agents', '3')
  .option('--apps <files...>', 'definitions of apps, as Marathon takes them', [])
  .option('--address <address>', 'where the APIs listen', '127.0.0.1')
  .option('--clock <n>', 'how many times as fast as in reality heartbeats and checks come', '1')
  .action(simulate);
try {
  await command.parseAsync();
} catch (error) {
  console.error(`simulate: ${faultText(faultOf(error, 'simulation'))}`);
  process.exit(1);
}
