import { Fleet, type FleetNode, machine } from '../../ts/quickstart/fleet.js';
import { claim } from '../../ts/quickstart/machine.js';
import { until } from '../../ts/quickstart/until.js';
import { NAME } from './app2.js';
import { Cluster } from './cluster.js';
import type { Place } from './driver.js';
import type { Stage, Viewer } from './stage.js';

/** The first of the addresses vipd answers DNS on. */
const DNS = '198.51.100.1:53';

/**
 * Nodes of a cluster of vipd, each with an agent of Mesos and its tasks; masters and Marathon are outside of them. As in DC/OS
 * each vipd asks its own agent for VIPs and tells the others; the master tells it the names of all tasks.
 */
export async function manyNodes(size: number): Promise<Stage> {
  claim();
  const fleet = Fleet.create({ id: 'vipd-quickstart-c', size });
  process.on('exit', () => fleet.remove());
  fleet.joinMachine();
  const places = fleet.nodes.map(placeOf);
  const cluster = await Cluster.start(places, { address: machine.address, masterPort: 5050, graceMs: 5_000 });
  await Promise.all(fleet.nodes.map((node, i) => begin(node, cluster, i)));
  await Promise.all(fleet.nodes.map((node) => sees(node, size)));
  const away = new Set<string>();
  const nodeOf = ({ address }: Place): FleetNode => fleet.nodes.find((node) => node.address === address)!;
  const turn = (place: Place, off: boolean): void => {
    const node = nodeOf(place);
    fleet.blackHole(node, off);
    if (off) away.add(node.name);
    else away.delete(node.name);
  };
  const all = fleet.nodes.map(viewerOf);
  return {
    cluster,
    get viewers() {
      return all.filter(({ name }) => !away.has(name));
    },
    title: `${size} agents, each with a vipd that asks it; the daemons are a cluster`,
    cut: (place) => turn(place, true),
    mend: (place) => turn(place, false),
    invitation: () => [
      `export VIPD_SOCKET=${fleet.nodes[0]!.socket}`,
      ...fleet.nodes.map((node) => `${node.writeEntrance()} curl -s http://${NAME}:10000/`),
    ],
    close: async () => {
      await Promise.all(fleet.nodes.map((node) => node.end('SIGTERM')));
      await cluster.close();
    },
  };
}

function placeOf(node: FleetNode): Place {
  return { agent: `simulated-S${node.number}`, address: node.address, inside: (argv) => node.namespace.inside(argv) };
}

async function begin(node: FleetNode, { masters, agents }: Cluster, i: number): Promise<void> {
  node.define([]);
  const follow = masters.flatMap(({ url }) => ['--mesos-master', url]);
  await node.up('--mesos-agent', agents[i]!.url, ...follow, '--dns', 'true', '--sample-connections', '0');
}

/** Waits until it has met all others. */
async function sees({ client, name }: FleetNode, size: number): Promise<void> {
  await until(`${size} members on ${name}`, 60_000, async () => {
    const { members } = await client.members();
    return members.filter(({ state }) => state === 'alive' || state === 'self').length === size;
  });
}

function viewerOf(node: FleetNode): Viewer {
  return {
    name: node.name,
    client: node.client,
    socket: node.socket,
    resolver: DNS,
    inside: (argv) => node.named(argv),
    url: (name, _address, port) => `http://${name}:${port}/`,
  };
}
