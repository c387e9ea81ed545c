import { exitStatus } from '../../util/exit.js';
import { runVipd } from '../daemon.js';
import type { Commands } from '../session.js';

const CONFIG = "vipd's configuration, else the default";

/** What concerns the key file works without a daemon, and on the machine it is typed on alone. */
export function addCluster(commands: Commands): void {
  const cluster = commands.group('cluster', 'make, join and leave a cluster of nodes');
  addVerb(cluster, 'init', 'init', 'make the key of a new cluster');
  addVerb(
    cluster,
    'join <file>',
    'join',
    'take the key file of a node of the cluster; - reads it from the standard input',
  );
  addVerb(cluster, 'id', 'id', 'the id of this node, for lists of nodes');
  const key = cluster.group('key', 'replace the key of the cluster while it runs');
  addVerb(key, 'rotate', 'rotate', 'put a new key in front; the old one stays valid');
  addVerb(key, 'retire', 'retire', 'drop all keys but the first');
  cluster.add('leave', 'take this node out of its cluster for good; it goes on alone').action(
    cluster.action(async (session) => {
      const answer = await session.client.leave();
      session.print(answer, () => 'this node has left its cluster; vipctl cluster join takes it back');
      return exitStatus.ok;
    }),
  );
}

/** A command that `vipd cluster VERB` carries out. */
function addVerb(commands: Commands, spec: string, verb: string, description: string): void {
  commands
    .add(spec, description)
    .option('--config <file>', CONFIG)
    .action(
      commands.action(async (_session, ...rest: readonly unknown[]) => {
        const files = rest.filter((one): one is string => typeof one === 'string');
        const options = rest.find((one) => typeof one === 'object' && one !== null) as { config?: string } | undefined;
        const flags = options?.config === undefined ? [] : ['--config', options.config];
        const { status, stdout } = await runVipd([...flags, 'cluster', verb, ...files]);
        commands.write(stdout);
        return status;
      }),
    );
}
