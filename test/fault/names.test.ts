import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { Fleet, type FleetNode } from '../../ts/quickstart/fleet.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { times } from '../helpers/thorough.js';

// Make before break, as a client sees it: whoever gets an address for a name can connect to it.

const TRIALS = times(300, 1_000);
const BATCH = 50;
/** VIPs that share a backend: the kernel's tables take 32. */
const SHARED = 25;
const FIRST_PORT = 8100;
const RESOLVER = '198.51.100.1';
const program = (file: string) => fileURLToPath(new URL(`../helpers/programs/${file}`, import.meta.url));
const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `n${from + i}`);
const fqdn = (name: string) => `${name}.marathon.l4lb.thisdcos.directory`;

function prober(node: FleetNode): Child {
  return Child.start(node.inside([process.execPath, program('first-answer.js'), RESOLVER, '80']), {
    interactive: true,
  });
}

rootTest('new names on two nodes each: none is answered before its VIP forwards there', async (t) => {
  t.timeout(600_000);
  const fleet = Fleet.create({ id: `vipd-test-${process.pid}-n`, size: 2 });
  t.teardown(() => fleet.remove());
  const [first, second] = fleet.nodes as [FleetNode, FleetNode];
  const ports = String(TRIALS / SHARED);
  const listeners = [process.execPath, program('listeners.js'), first.address, String(FIRST_PORT), ports];
  await first.run(listeners).wrote('listening');
  const backend = (i: number) => `${first.address}:${FIRST_PORT + Math.floor(i / SHARED)}`;
  const define = (all: readonly string[]) =>
    first.define(all.map((name, i) => ({ name, vip: `${name}.marathon:80`, backends: [backend(i)] })));
  define([]);
  await Promise.all(fleet.nodes.map((node) => node.up('--dns', 'true', '--dns-listen', RESOLVER)));
  const probers = fleet.nodes.map(prober);
  t.teardown(async () => void (await Promise.all(probers.map((one) => one.stop()))));
  for (let from = 0; from < TRIALS; from += BATCH) {
    // They ask before there is anything to be told.
    for (const one of probers) for (const name of names(BATCH, from)) one.say(fqdn(name));
    define(names(from + BATCH));
    await until(`${from + BATCH} names`, 90_000, () =>
      probers.every(({ output }) => output.split('\n').length > from + BATCH),
    );
  }
  for (const { output } of probers) {
    const lines = output.trim().split('\n');
    t.is(lines.length, TRIALS);
    t.deepEqual(
      lines.filter((line) => !line.endsWith(' ok')),
      [],
    );
  }
  t.is((await second.client.status()).vips, TRIALS);
});
