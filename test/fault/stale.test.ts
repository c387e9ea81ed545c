import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../../ts/quickstart/command.js';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { rootTest } from '../helpers/needs.js';

// Three real daemons of which one hangs: the thread that talks to the others goes on, so its neighbours hear its heart, and it
// says nothing any more.

const PATIENCE_MS = 90_000;
const LEASE = ['--cluster-lease', '3s'];
const hang = fileURLToPath(new URL('../helpers/programs/hang.js', import.meta.url));
const vipctl = join(packageRoot, 'packaging/bin/vipctl');

let fleet: Fleet;

test.after.always(() => fleet?.remove());

const define = (node: FleetNode) =>
  node.define([{ name: 'web', vip: 'web.marathon:80', backends: [`${node.address}:8080`] }]);
const switchOf = (node: FleetNode) => `${node.directory}/hang`;
const told = (node: FleetNode, ...words: readonly string[]) => run([vipctl, '--socket', node.socket, ...words]);

/** Backends in rotation, as the kernel of a node has them. */
async function rotation(node: FleetNode): Promise<string> {
  const explained = await node.client.explain({ key: 'web' }).catch(() => undefined);
  if (explained?.vip.programmed !== 'yes' || explained.drift.length > 0) return '';
  const active = explained.vip.backends.filter(({ state }) => state === 'active');
  return active.map(({ address }) => address).join();
}

const have = (at: readonly FleetNode[], backends: readonly FleetNode[]) => {
  const wanted = backends.map(({ address }) => address).join();
  return Promise.all(
    at.map((node) => until(`${wanted} on ${node.name}`, PATIENCE_MS, async () => (await rotation(node)) === wanted)),
  );
};

async function stateOf(node: FleetNode, seenBy: FleetNode): Promise<string | undefined> {
  const { members } = await seenBy.client.members();
  return members.find(({ name }) => name === node.name)?.state;
}

rootTest('a node that is there and says nothing is stale, with reason and age, until it speaks again', async (t) => {
  t.timeout(240_000);
  fleet = Fleet.create({ id: `vipd-test-${process.pid}-s`, size: 3 });
  const [first, second, third] = fleet.nodes as [FleetNode, FleetNode, FleetNode];
  for (const node of fleet.nodes) define(node);
  third.environment = { NODE_OPTIONS: `--import ${hang}`, VIPD_TEST_HANG: switchOf(third) };
  await Promise.all(fleet.nodes.map((node) => node.up(...LEASE)));
  await have(fleet.nodes, fleet.nodes);

  writeFileSync(switchOf(third), '');
  await have([first, second], [first, second]);
  t.is(await stateOf(third, first), 'stale', 'a path leads to it');
  t.regex(told(first, 'members'), /^node3 +stale +\d+s .* [3-9]s ago .*$/m);
  const reason = /10\.78\.0\.3:8080 .*node node3 is stale: it has said nothing since \d\d:\d\d:\d\d UTC/;
  for (const words of [
    ['where', 'web.marathon'],
    ['explain', 'web'],
    ['vip', 'web'],
  ])
    t.regex(told(first, ...words), reason, words.join(' '));
  t.regex(told(first, 'explain', 'web'), /node3: stale, heard \d+s ago; 0 of its 1 backends in rotation here/);
  t.regex(await first.client.metrics(), /vipd_cluster_members\{state="stale"\} 1/);

  rmSync(switchOf(third));
  await have(fleet.nodes, fleet.nodes);
  t.is(await stateOf(third, first), 'alive');
  t.notRegex(told(first, 'explain', 'web'), /stale/);
});
