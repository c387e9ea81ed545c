import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { BpfLink } from '../../ts/libbpf/link.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import { Cgroup } from '../../ts/quickstart/cgroup.js';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';

// Others write to our maps: by hand while the daemon runs, or a version of vipd whose structs are not ours.

const services = (servers: readonly EchoServer[]) => [
  serviceOf('web', '11.0.0.80:80', servers),
  serviceOf('web6', '[fd01:c::80]:80', servers),
];

function isAttached(path: string): boolean {
  const link = BpfLink.openPinned(path);
  const { cgroupId } = link.info;
  link.close();
  return cgroupId !== undefined && cgroupId !== 0n;
}

/** Zeroes every entry of a pinned array. */
function wipe(path: string): void {
  const map = BpfMap.openPinned(path);
  const { keys, values, count } = map.dump();
  for (let i = 0; i < count; i += 1) {
    const key = keys.subarray(i * map.info.keySize, (i + 1) * map.info.keySize);
    const value = values.subarray(i * map.valueStride, (i + 1) * map.valueStride);
    if (value.some((byte) => byte !== 0)) map.set(key, Buffer.alloc(map.valueStride));
  }
  map.close();
}

const shared = shareScene('tc', ['one', 'two'], '--reconcile-interval', '1s');

for (const name of ['vips', 'vip_sets', 'backends', 'reply_sets', 'tables', 'settings']) {
  rootTest(`entries of the map ${name} wiped by hand are repaired within one interval`, async (t) => {
    const { lab, servers, client, daemon } = await shared(services);
    const before = (await daemon.client.status()).reconcile.drift;
    wipe(`${lab.bpffs}/vipd/maps/${name}`);
    await until('the repair', 5000, async () => (await daemon.client.status()).reconcile.drift > before);
    for (const service of services(servers)) {
      t.deepEqual(await daemon.driftOf(service.name), []);
      const tally = await client.tally('tcp', targetOf(service), 20);
      t.is((tally.one ?? 0) + (tally.two ?? 0), 20, JSON.stringify(tally));
    }
  });
}

rootTest('what was unpinned or detached by hand is back within one interval, and outlives the daemon', async (t) => {
  const interval = ['--reconcile-interval', '1s'];
  const { lab, servers, client, daemon } = await setScene(t, 'sock', ['one'], services, ...interval);
  const directories = ['links', 'maps'].map((name) => `${lab.bpffs}/vipd/${name}`);
  const pins = () => directories.map((directory) => (existsSync(directory) ? readdirSync(directory).sort() : []));
  const before = pins();
  const link = BpfLink.openPinned(`${directories[0]}/sock_connect4`);
  link.detach();
  link.close();
  for (const directory of directories) run(['rm', '-r', directory]);
  await until('the pins', 20_000, () => isDeepStrictEqual(pins(), before));
  await until('the hook', 20_000, () => isAttached(`${directories[0]}/sock_connect4`));
  await daemon.end('SIGKILL');
  for (const service of services(servers)) t.like(await client.ask('tcp', targetOf(service)), { name: 'one' });
});

rootTest('a cgroup that is removed shows in the status, and the other hooks stay', async (t) => {
  const interval = ['--reconcile-interval', '1s'];
  const { lab, servers, client, daemon } = await setScene(t, 'tc', ['one'], services, ...interval);
  const cgroup = new Cgroup(`${lab.id}-gone`);
  t.teardown(() => cgroup.remove());
  cgroup.create();
  await daemon.end('SIGTERM');
  await daemon.restart('--cgroup', cgroup.path);
  cgroup.remove();
  const status = await until('a hook with a fault', 20_000, async () => {
    const now = await daemon.client.status();
    return now.hooks.some(({ hook, fault }) => hook === 'sock' && fault !== undefined) && now;
  });
  t.false(status.healthy);
  t.true(status.hooks.filter(({ hook }) => hook === 'tc').every(({ attached, fault }) => attached && !fault));
  t.like(await client.ask('tcp', targetOf(services(servers)[0]!)), { name: 'one' });
});

rootTest('unreachable routes of the pools that were flushed are back within one interval', async (t) => {
  const { lab } = await shared(services);
  const covers = (family: string) =>
    run(lab.node.inside(['ip', family, 'route', 'show', 'type', 'unreachable', 'proto', '118']));
  const before = ['-4', '-6'].map(covers);
  for (const family of ['-4', '-6']) run(lab.node.inside(['ip', family, 'route', 'flush', 'proto', '118']));
  await until('the routes', 10_000, () => ['-4', '-6'].every((family, i) => covers(family) === before[i]));
  t.regex(before.join(), /^unreachable 11\.0\.0\.0\/8 .*unreachable fd01:c::\/64 /s);
});

rootTest(
  'a pinned map of another version is refused by name and left alone',
  async (t) => {
    const lab = Lab.create(t);
    const maps = `${lab.bpffs}/vipd/maps`;
    mkdirSync(maps, { recursive: true });
    const shape = ['type', 'array', 'key', '4', 'value', '48', 'entries', '16', 'name', 'vips'];
    run(['bpftool', 'map', 'create', `${maps}/vips`, ...shape]);
    const error = await t.throwsAsync(Daemon.start(lab, []));
    t.regex(error?.message ?? '', /pinned map \S+\/vips: .*(another version|value)/);
    t.deepEqual(readdirSync(maps), ['vips']);
  },
  program('bpftool'),
);
