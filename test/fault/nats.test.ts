import test from 'ava';
import type { Child } from '../../ts/quickstart/child.js';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { program, rootTest } from '../helpers/needs.js';
import { inRotation, rotation } from '../helpers/rotation.js';

// Three real daemons, a namespace each, that meet at a server of NATS on the first node; the order of the tests counts.

const PATIENCE_MS = 90_000;
const need = program('nats-server');
let fleet: Fleet;
let server: Child;

test.after.always(() => fleet?.remove());

const define = (node: FleetNode, ...ports: readonly number[]) =>
  node.define([{ name: 'web', vip: 'web.marathon:80', backends: ports.map((port) => `${node.address}:${port}`) }]);

async function everywhere(nodes: readonly FleetNode[], ...backends: readonly string[]): Promise<void> {
  await Promise.all(
    nodes.map((node) => until(`${backends} on ${node.name}`, PATIENCE_MS, () => inRotation(node, 'web', backends))),
  );
}

async function startServer(): Promise<void> {
  const { address, directory } = fleet.nodes[0]!;
  const command = `PATH=$PATH:/usr/sbin exec nats-server -js -sd ${directory}/nats -a ${address} -p 4222 2>&1`;
  server = fleet.nodes[0]!.run(['sh', '-c', command]);
  await server.wrote('Server is ready');
}

const at = (number: number, port = 8080) => `${fleet.nodes[number - 1]!.address}:${port}`;

rootTest(
  'nodes that meet at NATS have the backends of all, and lose those of a killed one',
  async (t) => {
    t.timeout(240_000);
    fleet = Fleet.create({ id: `vipd-test-${process.pid}-n`, size: 3 });
    await startServer();
    for (const node of fleet.nodes) define(node, 8080);
    const flags = ['--cluster-nats', `nats://${fleet.nodes[0]!.address}:4222`];
    await Promise.all(fleet.nodes.map((node) => node.up(...flags)));
    await everywhere(fleet.nodes, at(1), at(2), at(3));
    const [first, second, third] = fleet.nodes as [FleetNode, FleetNode, FleetNode];
    define(first, 8080, 8081);
    await everywhere([second, third], at(1), at(1, 8081), at(2), at(3));
    await third.end('SIGKILL');
    await everywhere([first, second], at(1), at(1, 8081), at(2));
    await third.up(...flags);
    await everywhere(fleet.nodes, at(1), at(1, 8081), at(2), at(3));
    t.pass();
  },
  need,
);

rootTest(
  'without its servers everything stays, and goes on where they come back',
  async (t) => {
    t.timeout(240_000);
    const [first, second, third] = fleet.nodes as [FleetNode, FleetNode, FleetNode];
    server.kill('SIGKILL');
    await server.exited;
    await until('nobody in sight', PATIENCE_MS, async () => {
      const { members } = await second.client.members();
      return members.every(({ state }) => state === 'self' || state === 'unreachable');
    });
    await everywhere(fleet.nodes, at(1), at(1, 8081), at(2), at(3));
    define(first, 8080);
    await everywhere([first], at(1), at(2), at(3));
    t.is(await rotation(third, 'web'), [at(1), at(1, 8081), at(2), at(3)].join());
    await startServer();
    await everywhere(fleet.nodes, at(1), at(2), at(3));
  },
  need,
);
