import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { inRotation, rotation } from '../helpers/rotation.js';
import { lose } from '../helpers/wires.js';

// A cluster of real daemons whose wires fail in part, and whose clocks are set; the order of the tests counts.

const PATIENCE_MS = 90_000;
/** Longer than it takes to give a silent neighbour up. */
const LONG_MS = 8_000;
const setClock = fileURLToPath(new URL('../helpers/programs/set-clock.js', import.meta.url));

let fleet: Fleet;
let nodes: readonly FleetNode[];
const clock = (node: FleetNode) => `${node.directory}/clock`;
const ahead = (node: FleetNode, hours: number) => writeFileSync(clock(node), String(hours * 3_600_000));
const without = (gone: FleetNode) => nodes.filter((node) => node !== gone);
const backends = (of: readonly FleetNode[], port = 8080) => of.map(({ address }) => `${address}:${port}`);
const define = (node: FleetNode, ...ports: readonly number[]) =>
  node.define([{ name: 'web', vip: 'web.marathon:80', backends: ports.map((port) => `${node.address}:${port}`) }]);

test.after.always(() => fleet?.remove());

const textOf = (list: readonly string[]) => [...list].sort().join();

function have(at: readonly FleetNode[], list: readonly string[]): Promise<unknown> {
  return Promise.all(
    at.map((node) => until(`${list} on ${node.name}`, PATIENCE_MS, () => inRotation(node, 'web', list))),
  );
}

/** Everything the kernels of these nodes had in their rotation within the time. */
async function hadMeanwhile(at: readonly FleetNode[], milliseconds: number): Promise<readonly string[]> {
  const seen = new Set<string>();
  for (const end = performance.now() + milliseconds; performance.now() < end; await sleep(50))
    for (const one of await Promise.all(at.map((node) => rotation(node, 'web')))) if (one !== '') seen.add(one);
  return [...seen];
}

rootTest('a cluster of five', async (t) => {
  t.timeout(240_000);
  fleet = Fleet.create({ id: `vipd-test-${process.pid}-l`, size: 5 });
  nodes = fleet.nodes;
  for (const node of nodes) {
    define(node, 8080);
    ahead(node, 0);
    node.environment = { NODE_OPTIONS: `--import ${setClock}`, VIPD_TEST_CLOCK: clock(node) };
  }
  await Promise.all(nodes.map((node) => node.up()));
  await have(nodes, backends(nodes));
  t.pass();
});

rootTest('two nodes of which one cannot reach the other: others lead around, nothing moves', async (t) => {
  t.timeout(240_000);
  const [first, second] = nodes as [FleetNode, FleetNode];
  lose(second, [first]);
  t.deepEqual(await hadMeanwhile(nodes, LONG_MS), [textOf(backends(nodes))]);
  define(first, 8080, 8081);
  await have(nodes, [...backends(nodes), ...backends([first], 8081)]);
  lose(second);
  define(first, 8080);
  await have(nodes, backends(nodes));
});

rootTest(
  'a node that is heard and hears nobody is out, keeps everything itself, and is back when it hears',
  async (t) => {
    t.timeout(240_000);
    const deaf = nodes[4]!;
    lose(deaf, without(deaf));
    await have(without(deaf), backends(without(deaf)));
    t.is(await rotation(deaf, 'web'), textOf(backends(nodes)), 'a node that sees nobody judges nobody');
    const { members } = await nodes[0]!.client.members();
    t.is(members.find(({ name }) => name === deaf.name)!.state, 'unreachable');
    lose(deaf);
    await have(nodes, backends(nodes));
  },
);

rootTest('a fifth of what comes to two nodes is lost: changes still arrive everywhere', async (t) => {
  t.timeout(240_000);
  const [changing, ...others] = nodes as [FleetNode, ...FleetNode[]];
  for (const node of others.slice(0, 2)) lose(node, without(node), 20);
  for (const ports of [[8080, 8081], [8080]]) {
    define(changing, ...ports);
    await have(nodes, [...backends(others), ...ports.map((port) => `${changing.address}:${port}`)]);
  }
  for (const node of others) lose(node);
  await have(nodes, backends(nodes));
  t.pass();
});

rootTest('a node whose wire swallows everything is out, and back when it carries again', async (t) => {
  t.timeout(240_000);
  const lost = nodes[1]!;
  fleet.blackHole(lost, true);
  await have(without(lost), backends(without(lost)));
  t.is(await rotation(lost, 'web'), textOf(backends(nodes)));
  fleet.blackHole(lost, false);
  await have(nodes, backends(nodes));
});

rootTest('clocks that are set by hours while the daemons run make nobody stale', async (t) => {
  t.timeout(240_000);
  const [early, late, ...others] = nodes as [FleetNode, FleetNode, ...FleetNode[]];
  const more = [...backends(nodes), ...backends([others[0]!], 8081)];
  const meanwhile = hadMeanwhile(nodes, LONG_MS);
  ahead(early, 9);
  ahead(late, -9);
  // A change is news, upon which every node looks at all others.
  define(others[0]!, 8080, 8081);
  await have(nodes, more);
  t.deepEqual((await meanwhile).toSorted(), [textOf(backends(nodes)), textOf(more)].sort());
  const skew = async (node: FleetNode, of: FleetNode) =>
    (await node.client.members()).members.find(({ name }) => name === of.name)!.clockSkewMs / 3_600_000;
  await until('the skew to be told', PATIENCE_MS, async () => Math.round(await skew(others[0]!, early)) === 9);
  const { members } = await early.client.members();
  t.true(members.every(({ state }) => state === 'self' || state === 'alive'));
});
