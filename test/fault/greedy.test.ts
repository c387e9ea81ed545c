import test from 'ava';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { residentMiB } from '../helpers/process-cost.js';
import { inRotation } from '../helpers/rotation.js';

// Three real daemons of which one publishes many times what the kernels of the others have room for.

const PATIENCE_MS = 120_000;
/** What the nodes of a fleet have room for. */
const ROOM = { vips: 1024, backends: 8192 };
const SMALL = ['--max-vips', '1024', '--max-backends', '8192'];
const LARGE = ['--max-vips', '16384', '--max-backends', '131072'];

let fleet: Fleet;

test.after.always(() => fleet?.remove());

const web = (node: FleetNode, ...ports: readonly number[]) => ({
  name: 'web',
  vip: 'web.marathon:80',
  backends: ports.map((port) => `${node.address}:${port}`),
});

/** So many services of so many backends each. */
const crowd = (count: number, backends: number) =>
  Array.from({ length: count }, (_, i) => ({
    name: `crowd-${i}`,
    vip: `11.9.${i >> 8}.${i & 255}:80`,
    backends: Array.from({ length: backends }, (_, k) => `10.99.${i & 255}.${k & 255}:${1024 + (i >> 8)}`),
  }));

const have = (at: readonly FleetNode[], backends: readonly string[]) =>
  Promise.all(
    at.map((node) => until(`${backends} on ${node.name}`, PATIENCE_MS, () => inRotation(node, 'web', backends))),
  );

const named = (node: FleetNode, by: FleetNode) =>
  until(`${node.name} to be named by ${by.name}`, PATIENCE_MS, async () => {
    const { sources } = await by.client.status();
    const faults = sources.flatMap((source) => source.faults);
    return faults.find(({ code, object }) => code === 'NODE_OVER_SHARE' && object === `node ${node.name}`);
  });

rootTest('a node that has more than the others have room for is cut and named, and they go on', async (t) => {
  t.timeout(600_000);
  fleet = Fleet.create({ id: `vipd-test-${process.pid}-g`, size: 3 });
  const [first, second, greedy] = fleet.nodes as [FleetNode, FleetNode, FleetNode];
  const at = (node: FleetNode, port = 8080) => `${node.address}:${port}`;
  for (const node of [first, second]) node.define([web(node, 8080)]);
  greedy.define([web(greedy, 8080), ...crowd(2000, 10)]);
  await Promise.all([first, second].map((node) => node.up(...SMALL)));
  await greedy.up(...LARGE);
  await have([first, second], [at(first), at(second), at(greedy)]);
  const fault = await named(greedy, first);
  t.regex(fault.cause, /no room for \d+ of its VIPs/);

  // Also what changes, and what is new, finds its place.
  first.define([web(first, 8080, 8081), { name: 'late', vip: '11.0.0.81:80', backends: [at(first)] }]);
  await have([first, second], [at(first), at(first, 8081), at(second), at(greedy)]);
  for (const node of [first, second])
    await until('the new one', PATIENCE_MS, async () =>
      (await node.client.vips()).vips.some(({ key, programmed }) => key === 'tcp/11.0.0.81:80' && programmed === 'yes'),
    );

  // And a node that begins anew takes them first, in whatever order it hears of them.
  await second.end('SIGKILL');
  await second.up(...SMALL);
  await have([first, second], [at(first), at(first, 8081), at(second), at(greedy)]);
  await named(greedy, second);
  for (const node of [first, second]) {
    const { vips } = await node.client.vips();
    t.true(vips.length > ROOM.backends / 20 && vips.length <= ROOM.vips, `${vips.length} VIPs on ${node.name}`);
    t.deepEqual(
      vips.filter(({ programmed }) => programmed !== 'yes'),
      [],
      'all that is wanted fits',
    );
    const { pid } = await node.client.status();
    t.true(residentMiB(pid) < 600, `${residentMiB(pid)} MB on ${node.name}`);
  }
});
