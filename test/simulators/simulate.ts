import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { faultOf, faultText } from '../../ts/util/errors.js';
import { Cluster } from './cluster.js';
import type { Place } from './driver.js';

/** `npm run simulate -- --agents 3 --apps examples/marathon/*.json`: a Mesos cluster with Marathon to try vipd with. */

interface Options {
  readonly agents: string;
  readonly apps: readonly string[];
  readonly address: string;
}

/** Agents with addresses of the loopback interface, and tasks that are processes of this machine. */
function places(count: number): readonly Place[] {
  return Array.from({ length: count }, (_, i) => ({
    agent: `simulated-S${i}`,
    address: `127.0.1.${i + 1}`,
    inside: (argv: readonly string[]) => argv,
  }));
}

async function simulate({ agents, apps, address }: Options): Promise<void> {
  const ports = { masterPort: 5050, marathonPort: 8080, agentPort: 5051 };
  const cluster = await Cluster.start(places(Number(agents)), { address, ...ports });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cluster.close().then(() => process.exit(0)));
  }
  for (const file of apps) {
    const app = JSON.parse(readFileSync(file, 'utf8')) as { id: string };
    cluster.marathon.put(app);
    await cluster.driver.settle(app.id);
  }
  console.log(`masters    ${cluster.masters.map(({ url }) => url).join(' (leads), ')}`);
  for (const { id, url } of cluster.agents) console.log(`agent      ${url}  ${id}`);
  console.log(`Marathon   ${cluster.marathon.url}`);
  for (const { id, place, port } of cluster.driver.running.values())
    console.log(`task       ${place.address}:${port}  ${id}`);
  console.log(
    `\nvipd --mesos-master ${cluster.masters[0].url} serves it; Marathon takes PUT and DELETE of /v2/apps/ID. Ctrl-C ends it.`,
  );
}

const command = new Command('simulate')
  .description('a Mesos cluster with Marathon: two masters, agents, and HTTP servers as tasks')
  .option('--agents <n>', 'how many agents', '3')
  .option('--apps <files...>', 'definitions of apps, as Marathon takes them', [])
  .option('--address <address>', 'where the APIs listen', '127.0.0.1')
  .action(simulate);
try {
  await command.parseAsync();
} catch (error) {
  console.error(`simulate: ${faultText(faultOf(error, 'simulation'))}`);
  process.exit(1);
}
