import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { entryCodec, snapshotCodec } from '../../ts/cluster/wire.js';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';

// A rolling upgrade: three real daemons, of which one writes what a later release may, and one what an earlier one did.

const PATIENCE_MS = 90_000;
const program = fileURLToPath(new URL('../helpers/programs/later-release.js', import.meta.url));

let fleet: Fleet;
test.after.always(() => fleet?.remove());

async function rotation(node: FleetNode): Promise<string> {
  const explained = await node.client.explain({ key: 'web' }).catch(() => undefined);
  if (explained?.vip.programmed !== 'yes' || explained.drift.length > 0) return '';
  const active = explained.vip.backends.filter(({ state }) => state === 'active');
  return active.map(({ address }) => address).join();
}

function everywhere(nodes: readonly FleetNode[], addresses: readonly string[]): Promise<unknown> {
  const wanted = addresses.join();
  return Promise.all(
    nodes.map((node) => until(`${wanted} on ${node.name}`, PATIENCE_MS, async () => (await rotation(node)) === wanted)),
  );
}

/** Of what a node keeps on its disk, which owners wrote by which schema. */
function kept(node: FleetNode): readonly { schema: number; text: string }[] {
  const bytes = readFileSync(`${node.directory}/state/cluster/snapshot`);
  return snapshotCodec.decode(bytes).kept.map(({ signed }) => {
    return { schema: entryCodec.decode(signed.entry).schema, text: Buffer.from(signed.entry).toString('latin1') };
  });
}

rootTest('nodes of three releases serve what each of them says, and hand on what they do not know', async (t) => {
  t.timeout(300_000);
  fleet = Fleet.create({ id: `vipd-test-${process.pid}-r`, size: 4 });
  const { nodes } = fleet;
  const [later, earlier, today, joining] = nodes as [FleetNode, FleetNode, FleetNode, FleetNode];
  for (const node of nodes) node.define([{ name: 'web', vip: 'web.marathon:80', backends: [`${node.address}:8080`] }]);
  for (const [node, release] of [
    [later, 'later'],
    [earlier, 'earlier'],
  ] as const)
    node.environment = { NODE_OPTIONS: `--import ${program}`, VIPD_TEST_RELEASE: release };
  const first = [later, earlier, today];
  const addresses = first.map(({ address }) => address);
  await Promise.all(first.map((node) => node.up()));
  await everywhere(first, addresses);
  for (const node of first) {
    const { sources } = await node.client.status();
    t.deepEqual(
      sources.flatMap(({ faults }) => faults),
      [],
    );
  }
  // Without its author the others still have its words, whole: who joins now accepts their signature.
  await later.end('SIGKILL');
  await joining.up();
  const alive = [earlier, today, joining];
  await everywhere(
    alive,
    alive.map(({ address }) => address),
  );
  await until('the words of the dead one', PATIENCE_MS, async () => {
    const { backends } = await joining.client.vip({ key: 'web' });
    return backends.some(({ node, address }) => node === later.name && address === later.address);
  });
  await until('them on its disk', PATIENCE_MS, () =>
    kept(joining).some(({ schema, text }) => schema === 9 && text.endsWith('\x9a\x06\x03new')),
  );
  t.true(kept(joining).some(({ schema }) => schema === 0));
  // The upgrade is undone.
  later.environment = {};
  await later.up();
  await everywhere(
    [...alive, later],
    nodes.map(({ address }) => address),
  );
});
