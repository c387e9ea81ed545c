import { join } from 'node:path';
import { createClient } from '../../ts/api/client.js';
import { unixTransport } from '../../ts/api/unix.js';
import { Child } from '../../ts/quickstart/child.js';
import { attempt } from '../../ts/quickstart/command.js';
import { exec } from '../../ts/quickstart/daemon.js';
import { takeOver } from '../../ts/quickstart/machine.js';
import { clients, directory, ours, pins, socket } from '../../ts/quickstart/places.js';
import { pool, servers, up } from '../../ts/quickstart/topology.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { Cluster } from './cluster.js';
import type { Place } from './driver.js';
import type { Stage, Viewer } from './stage.js';

const DNS = '127.0.0.1:10053';
const vipd = join(packageRoot, 'packaging/bin/vipd');

const places: readonly Place[] = servers.map(({ namespace, address }, i) => ({
  agent: `simulated-S${i + 1}`,
  address,
  inside: (argv) => ours.inside(namespace.inside(argv)),
}));

const host: Viewer = {
  name: 'this machine',
  client: createClient(unixTransport(socket)),
  socket,
  resolver: DNS,
  inside: exec,
  url: (_name, address, port) => `http://${address}:${port}/`,
};

/** One vipd that follows the master, and three namespaces of the quickstart's network for agents. */
export async function oneNode(): Promise<Stage> {
  takeOver();
  up();
  const cluster = await Cluster.start(places, { address: '127.0.0.1' });
  const daemon = startDaemon(cluster);
  await until('an answer of vipd', 30_000, async () => {
    if (daemon.result !== undefined) throw new Error(`vipd ended: ${daemon.output}`);
    return host.client.status().catch(() => undefined);
  });
  const link = ({ address }: Place): string => servers.find((one) => one.address === address)!.link;
  return {
    cluster,
    viewers: [host],
    title: `three agents, one vipd that follows the leading master`,
    cut: (place) => void attempt(['ip', 'link', 'set', link(place), 'down']),
    mend: (place) => void attempt(['ip', 'link', 'set', link(place), 'up']),
    invitation: (address) => [
      `export VIPD_SOCKET=${socket}`,
      `packaging/bin/vipctl exec -- curl -s http://${address}:10000/`,
    ],
    close: async () => {
      await daemon.stop();
      await cluster.close();
    },
  };
}

function startDaemon(cluster: Cluster): Child {
  const flags = [
    ...cluster.masters.flatMap(({ url }) => ['--mesos-master', url]),
    ...['--pool', pool, '--socket', socket, '--bpffs', pins, '--state-dir', `${directory}/state`],
    ...['--cgroup', clients.path, '--tc', 'vipd-qs*', '--dns', 'true', '--dns-listen', DNS],
    ...['--sample-connections', '0'],
  ];
  return Child.start(ours.inside([vipd, ...flags]));
}
