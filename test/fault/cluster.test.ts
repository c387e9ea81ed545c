import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { clusterKeysText, newClusterKeys, parseClusterKeys, retired, rotated } from '../../ts/cluster/keyfile.js';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { inRotation, rotation } from '../helpers/rotation.js';

// One cluster of three real daemons, a namespace each, through all that may befall it; the order of the tests counts.

const PATIENCE_MS = 90_000;
const service = (node: FleetNode, ...ports: readonly number[]) => [
  { name: 'web', vip: 'web.marathon:80', backends: ports.map((port) => `${node.address}:${port}`) },
];

let fleet: Fleet;
const running = () => fleet.nodes.filter(({ child }) => child !== undefined && child.result === undefined);

test.after.always(() => fleet?.remove());

/** Waits until the kernels of these nodes have just these backends. */
async function everywhere(backends: readonly string[], nodes: readonly FleetNode[] = running()): Promise<void> {
  await Promise.all(
    nodes.map((node) => until(`${backends} on ${node.name}`, PATIENCE_MS, () => inRotation(node, 'web', backends))),
  );
}

async function faults(node: FleetNode): Promise<readonly string[]> {
  const { sources } = await node.client.status();
  return sources.flatMap((source) => source.faults.map(({ code }) => code));
}

/** Collects what any of these nodes says is not active of what they have, until it is told to end. */
function watch(nodes: readonly FleetNode[]): { outages: readonly string[]; end(): Promise<void> } {
  const outages: string[] = [];
  let on = true;
  const look = async (node: FleetNode) => {
    const { backends } = await node.client.vip({ key: 'web' });
    const active = new Set(backends.filter(({ state }) => state === 'active').map(({ address }) => address));
    outages.push(
      ...nodes.filter(({ address }) => !active.has(address)).map(({ name }) => `${name} as seen by ${node.name}`),
    );
  };
  const watching = (async () => {
    for (; on; await sleep(50)) await Promise.all(nodes.map(look));
  })();
  return {
    outages,
    end: () => {
      on = false;
      return watching;
    },
  };
}

const one = (n: number) => `${fleet.nodes[n - 1]!.address}:8080`;

rootTest('every node has the backends of all, behind one address', async (t) => {
  t.timeout(240_000);
  fleet = Fleet.create({ id: `vipd-test-${process.pid}-c`, size: 4 });
  for (const node of fleet.nodes) node.define(service(node, 8080));
  await Promise.all(fleet.nodes.slice(0, 3).map((node) => node.up()));
  await everywhere([one(1), one(2), one(3)]);
  const addresses = await Promise.all(
    running().map(async ({ client }) => (await client.where({ name: 'web' })).name.addresses),
  );
  for (const list of addresses) t.deepEqual(list, [{ family: 4, address: '11.225.36.193', forwards: true }]);
});

rootTest('a change on one node is in the kernels of all others', async (t) => {
  t.timeout(120_000);
  const [first] = fleet.nodes;
  first!.define(service(first!, 8080, 8081));
  await everywhere([one(1), `${first!.address}:8081`, one(2), one(3)]);
  first!.define(service(first!, 8080));
  await everywhere([one(1), one(2), one(3)]);
  t.pass();
});

rootTest('a killed node is out of every kernel, with the reason, and back when it is', async (t) => {
  t.timeout(240_000);
  const [first, second] = fleet.nodes;
  await second!.end('SIGKILL');
  await everywhere([one(1), one(3)]);
  const { backends } = await first!.client.vip({ key: 'web' });
  const gone = backends.find(({ address }) => address === second!.address)!;
  t.is(gone.node, 'node2');
  t.regex(gone.reason, /^node node2 is unreachable since \d\d:\d\d:\d\d UTC$/);
  const { members } = await first!.client.members();
  t.is(members.find(({ name }) => name === 'node2')!.state, 'unreachable');
  await second!.up();
  await everywhere([one(1), one(2), one(3)]);
  // Until it is heard, what it last said holds.
  await until('its next life to be known', PATIENCE_MS, async () => {
    const again = await first!.client.members();
    return again.members.find(({ name }) => name === 'node2')!.incarnation === 2;
  });
});

rootTest('both sides of a split go on, the lonely one with everything, and find each other again', async (t) => {
  t.timeout(240_000);
  const [first, second, third] = fleet.nodes as [FleetNode, FleetNode, FleetNode];
  fleet.split([first]);
  await everywhere([one(2), one(3)], [second, third]);
  t.is(await rotation(first, 'web'), [one(1), one(2), one(3)].join(), 'a node that sees nobody judges nobody');
  second.define(service(second, 8080, 8081));
  await everywhere([one(2), `${second.address}:8081`, one(3)], [second, third]);
  fleet.split();
  await everywhere([one(1), one(2), `${second.address}:8081`, one(3)]);
  second.define(service(second, 8080));
  await everywhere([one(1), one(2), one(3)]);
});

rootTest('a node with the key of another cluster is kept out and named', async (t) => {
  t.timeout(240_000);
  const [first, , , stranger] = fleet.nodes;
  const other = `${stranger!.directory}/cluster.key`;
  const mine = parseClusterKeys(readFileSync(fleet.keyFile, 'utf8'), '');
  // The id alone is no key.
  writeFileSync(other, clusterKeysText({ ...newClusterKeys(), id: mine.id }), { mode: 0o600 });
  await stranger!.up('--cluster-key', other);
  await until('the stranger to be named', PATIENCE_MS, async () =>
    (await faults(first!)).includes('CLUSTER_KEY_WRONG'),
  );
  t.is(await rotation(first!, 'web'), [one(1), one(2), one(3)].join());
  t.deepEqual(
    (await stranger!.client.members()).members.map(({ name }) => name),
    ['node4'],
  );
  await stranger!.end('SIGTERM');
});

rootTest('the key is replaced while the cluster runs', async (t) => {
  t.timeout(240_000);
  const keys = parseClusterKeys(readFileSync(fleet.keyFile, 'utf8'), '');
  const both = rotated(keys);
  const use = (text: string) => writeFileSync(fleet.keyFile, text, { mode: 0o600 });
  use(clusterKeysText(both));
  const fourth = fleet.nodes[3]!;
  const { outages, end } = watch(fleet.nodes.slice(0, 3));
  await fourth.up();
  await everywhere([one(1), one(2), one(3), one(4)]);
  use(clusterKeysText(retired(both)));
  await fourth.end('SIGTERM');
  await everywhere([one(1), one(2), one(3)]);
  await until('all to have the new key alone', PATIENCE_MS, async () => {
    const logs = running().map(({ child }) => child!.output.match(/"keys":1/g)?.length ?? 0);
    return logs.every((count) => count > 0);
  });
  await fourth.up();
  await everywhere([one(1), one(2), one(3), one(4)]);
  await end();
  t.deepEqual(outages, []);
});

rootTest('while all are restarted one after the other in any order nothing is emptied and no name moves', async (t) => {
  t.timeout(300_000);
  const order = running().toSorted(() => Math.random() - 0.5);
  for (const node of order) {
    await node.end('SIGTERM');
    await node.up();
    // From its first answer on it has its own and, from its snapshot, what the others have.
    await until('own services', PATIENCE_MS, async () => (await rotation(node, 'web')) !== '');
    const { vips } = await node.client.vips();
    t.deepEqual(
      vips.map(({ key }) => key),
      ['tcp/11.225.36.193:80'],
    );
  }
  await everywhere([one(1), one(2), one(3), one(4)]);
});

rootTest('a node that leaves takes its backends along and goes on alone', async (t) => {
  t.timeout(120_000);
  const fourth = fleet.nodes[3]!;
  const own = `${fourth.directory}/own.key`;
  writeFileSync(own, readFileSync(fleet.keyFile), { mode: 0o600 });
  await fourth.end('SIGTERM');
  await fourth.up('--cluster-key', own);
  await everywhere([one(1), one(2), one(3), one(4)]);
  t.deepEqual(await fourth.client.leave(), { left: true });
  await everywhere([one(1), one(2), one(3)], fleet.nodes.slice(0, 3));
  await until('the others to be gone', PATIENCE_MS, async () => (await fourth.client.members()).members.length === 0);
  t.deepEqual(
    (await fourth.client.nodes()).map(({ hostname, private_ip }) => [hostname, private_ip]),
    [[fourth.name, fourth.address]],
  );
  await fourth.end('SIGTERM');
  await fourth.up('--cluster-key', own);
  t.deepEqual((await fourth.client.members()).members, [], 'also after a restart');
});
