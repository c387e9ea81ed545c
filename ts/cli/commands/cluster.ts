import { exitStatus } from '../../util/exit.js';
import { runVipd } from '../daemon.js';
import type { Commands } from '../session.js';

/** What concerns the key file works without a daemon, and on the machine it is typed on alone. */
export function addCluster(commands: Commands): void {
  const cluster = commands.program.command('cluster').description('make, join and leave a cluster of nodes');
  const config = '--config <file>';
  const pass = (words: readonly string[]) =>
    commands.action(async (_session, ...rest: readonly unknown[]) => {
      const positional = rest.filter((one): one is string => typeof one === 'string');
      const options = rest.find((one) => typeof one === 'object' && one !== null) as { config?: string } | undefined;
      const flags = options?.config === undefined ? [] : ['--config', options.config];
      const { status, stdout } = await runVipd([...flags, 'cluster', ...words, ...positional]);
      commands.write(stdout);
      return status;
    });
  cluster
    .command('init')
    .description('make the key of a new cluster')
    .option(config, CONFIG)
    .action(pass(['init']));
  cluster
    .command('join <file>')
    .description('take the key file of a node of the cluster; - reads it from the standard input')
    .option(config, CONFIG)
    .action(pass(['join']));
  cluster
    .command('id')
    .description('the id of this node, for lists of nodes')
    .option(config, CONFIG)
    .action(pass(['id']));
  const key = cluster.command('key').description('replace the key of the cluster while it runs');
  key
    .command('rotate')
    .description('put a new key in front; the old one stays valid')
    .option(config, CONFIG)
    .action(pass(['rotate']));
  key
    .command('retire')
    .description('drop all keys but the first')
    .option(config, CONFIG)
    .action(pass(['retire']));
  cluster
    .command('leave')
    .description('take this node out of its cluster for good; it goes on alone')
    .option('--socket <path>', 'socket of the daemon')
    .option('--json', 'machine-readable output')
    .action(
      commands.action(async (session) => {
        const answer = await session.client.leave();
        session.print(answer, () => 'this node has left its cluster; its key file was renamed, ending in .left');
        return exitStatus.ok;
      }),
    );
}

const CONFIG = "vipd's configuration, else the default";
