import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import test from 'ava';
import { MemoryDataPlane } from '../../../ts/dataplane/memory.js';
import { until } from '../../../ts/quickstart/until.js';
import { run as vipctl } from '../cli/terminal.js';
import { Home, ready, run } from './running.js';

const web = 'services:\n  - { name: web, vip: "11.0.0.80:80", backends: ["10.0.0.1:8080", "10.0.0.2:8080"] }\n';
const local = '  - { name: mine, vip: "11.0.0.2:80", backends: ["10.0.0.1:8080"] }\n';
const key = 'tcp/11.0.0.80:80';
const client = { address: '10.9.9.9', port: 4_000 };
const frontend = { protocol: 'tcp', address: '11.0.0.80', port: 80 } as const;

test('the pools are covered before anything is taken, and all is given back in reverse order', async (t) => {
  const home = new Home(t);
  const { machine, stop } = await ready(t, home);
  t.deepEqual(machine.calls, ['claim', 'cover 11.0.0.0/8 fd01:c::/64', 'READY=1']);
  await stop();
  t.deepEqual(machine.calls.slice(3), ['STOPPING=1', 'unclaim']);
});

test('what a file defines is programmed when the daemon says it is ready, and stays when it ends', async (t) => {
  const home = new Home(t);
  home.write(web);
  const { stop, plane } = await ready(t, home);
  t.true(home.kernel.engaged);
  t.is(await plane.connect(frontend, client), '10.0.0.1:8080');
  const { status, out } = await vipctl(home.socket, 'status');
  t.is(status, 0, out);
  await stop();
  t.true(home.kernel.engaged);
  t.deepEqual([...home.kernel.vips.keys()], [key]);
});

test('a starting daemon adopts what is there and removes what nobody wants any more', async (t) => {
  const home = new Home(t);
  home.write(`${web}  - { name: old, vip: "11.0.0.81:80", backends: [] }\n`);
  await (await ready(t, home)).stop();
  const adopted = home.kernel.vips.get(key);
  home.write(web);
  await ready(t, home);
  t.is(home.kernel.vips.get(key), adopted);
  t.deepEqual([...home.kernel.vips.keys()], [key]);
});

test('nothing is removed while a source has not reported', async (t) => {
  const home = new Home(t);
  home.write(web);
  await (await ready(t, home)).stop();
  home.write('services: [');
  const { client: api, stop } = run(t, home);
  const passed = async () => (await api.status().catch(() => undefined))?.reconcile.passes ?? 0;
  while ((await passed()) === 0) await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual([...home.kernel.vips.keys()], [key]);
  t.like(await api.status(), { healthy: false, reconcile: { converged: false } });
  await stop();
});

test('a VIP that is an address of the node is shown with its fault, the rest is served', async (t) => {
  const home = new Home(t);
  home.write(web + local);
  const { client: api } = await ready(t, home);
  t.deepEqual([...home.kernel.vips.keys()], [key]);
  t.like(await api.vip({ key: 'mine' }), { programmed: 'failed', fault: { code: 'VIP_LOCAL' } });
  t.is((await api.status()).faults[0]?.code, 'VIP_LOCAL');
  t.is((await vipctl(home.socket, 'status')).status, 1);
});

test('what vipctl sets and drains survives a restart', async (t) => {
  const home = new Home(t);
  const first = await ready(t, home);
  const set = ['set', 'api', '--vip', '11.0.0.5:53', '--protocol', 'udp'];
  const two = ['--backend', '10.0.0.1:53', '--backend', '10.0.0.2:53=7'];
  t.is((await vipctl(home.socket, ...set, ...two)).status, 0);
  await first.client.vips();
  const settle = async (state: string) => {
    for (;;) {
      const { backends } = await first.client.backends();
      if (backends[0]?.backend.state === state) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await settle('active');
  t.is((await vipctl(home.socket, 'drain', 'api', '10.0.0.1:53')).status, 0);
  await settle('draining');
  await first.stop();
  const { client: api } = await ready(t, home);
  const { backends, source } = await api.vip({ key: 'api' });
  t.is(source, 'api');
  t.deepEqual(
    backends.map(({ state, weight }) => [state, weight]),
    [
      ['draining', 1],
      ['active', 7],
    ],
  );
  t.is((await vipctl(home.socket, 'rm', 'api')).status, 0);
  t.is((await vipctl(home.socket, 'rm', 'api')).status, 1);
});

test('what was set is there when the answer comes', async (t) => {
  const home = new Home(t);
  const { client } = await ready(t, home);
  for (let i = 0; i < 20; i += 1) {
    await client.setService({ name: `s${i}`, body: { vip: `11.0.1.${i}:80`, backends: ['10.0.0.1:80'] } });
    t.like(await client.vip({ key: `s${i}` }), { programmed: 'yes' });
  }
  await client.removeService({ name: 's0' });
  await t.throwsAsync(client.vip({ key: 's0' }), { code: 'NOT_FOUND' });
});

test('apply adds to what is there, with --prune it replaces it', async (t) => {
  const home = new Home(t);
  const { client: api } = await ready(t, home);
  const one = (name: string, port: number) => ({ name, vip: `11.0.0.9:${port}`, backends: [] });
  await Promise.all([
    api.applyServices({ body: { services: [one('a', 1)] } }),
    api.applyServices({ body: { services: [one('b', 2), one('c', 3)] } }),
  ]);
  const names = async () => (await api.services()).services.map(({ name }) => name);
  t.deepEqual(await names(), ['a', 'b', 'c']);
  await api.applyServices({ body: { services: [one('b', 2)] }, prune: true });
  t.deepEqual(await names(), ['b']);
});

test('a follower sees a connection as it happens', async (t) => {
  const home = new Home(t);
  home.write(web);
  const { client: api, plane } = await ready(t, home);
  const events = (await api.events({ follow: true }))[Symbol.asyncIterator]();
  const next = events.next();
  await plane.connect(frontend, client);
  t.like((await next).value, { kind: 'connection', vip: key, client });
  await events.return?.();
});

test('a follower does not keep the daemon from ending', async (t) => {
  const home = new Home(t);
  const { client: api, stop } = await ready(t, home);
  const events = (await api.events({ follow: true }))[Symbol.asyncIterator]();
  const next = events.next();
  await stop();
  t.true((await next).done);
});

test('teardown leaves nothing in the kernel and ends the daemon', async (t) => {
  const home = new Home(t);
  home.write(web);
  const { machine, ended } = await ready(t, home);
  const { status, out } = await vipctl(home.socket, 'teardown');
  t.is(status, 0, out);
  await ended;
  t.is(home.kernel.vips.size, 0);
  t.false(home.kernel.engaged);
  t.true(machine.calls.includes('uncover 11.0.0.0/8 fd01:c::/64'));
});

test('a pool that is not configured any more is uncovered', async (t) => {
  const home = new Home(t);
  await (await ready(t, home)).stop();
  const pools = [{ address: '11.0.0.0', bits: 8 }];
  const { machine } = await ready(t, home, { options: { pools } });
  t.true(machine.calls.includes('uncover fd01:c::/64'));
});

test('a pool whose route somebody flushed is covered again, and the status says so while that fails', async (t) => {
  const { machine, client } = await ready(t, new Home(t), { options: { reconcileInterval: 10 } });
  machine.covered.clear();
  await until('cover', 10_000, () => machine.covered.size === 2);
  machine.cover = () => {
    throw new Error('no routes today');
  };
  const status = await until('fault', 10_000, async () => {
    const now = await client.status();
    return now.faults.length > 0 && now;
  });
  t.false(status.healthy);
  t.like(status.faults[0], { object: 'unreachable routes of the pools', cause: 'no routes today' });
});

test('only root and the group may use the socket', async (t) => {
  const home = new Home(t);
  await ready(t, home);
  t.is(statSync(home.socket).mode & 0o777, 0o660);
});

test('a machine that can run no data plane: the rest is served, and the reason and what to do are in the status', async (t) => {
  const home = new Home(t);
  home.write(web);
  const plane = new MemoryDataPlane(home.kernel);
  plane.probe = async () => ({ ok: false, reason: 'the kernel has no ring buffer', hint: 'use 5.8 or later' });
  const { client: api, stop } = await ready(t, home, { plane });
  const status = await api.status();
  t.like(status, { healthy: false, plane: 'none', mode: { fault: { code: 'NO_DATA_PLANE' } } });
  t.like(await api.vip({ key: 'web' }), { programmed: 'failed', fault: { code: 'NO_DATA_PLANE' } });
  const { status: exit, out } = await vipctl(home.socket, 'status');
  t.is(exit, 1);
  t.regex(out, /no ring buffer.*use 5\.8 or later/);
  t.is(home.kernel.vips.size, 0);
  plane.probe = async () => ({ ok: true });
  t.is((await vipctl(home.socket, 'mode', 'auto')).status, 0);
  t.true(home.kernel.engaged);
  t.deepEqual([...home.kernel.vips.keys()], [key]);
  await stop();
});

test('a socket somebody listens on is left alone, and so is a file of that name', async (t) => {
  const home = new Home(t);
  await (await ready(t, home)).stop();
  const other = createServer().listen(home.socket);
  await once(other, 'listening');
  const second = run(t, home);
  await t.throwsAsync(second.ended, { code: 'SOCKET_UNUSABLE', message: /another process listens there/ });
  t.deepEqual(second.machine.calls, ['claim', 'unclaim']);
  other.close();
  await once(other, 'close');
  writeFileSync(home.socket, 'x');
  await t.throwsAsync(run(t, home).ended, { code: 'SOCKET_UNUSABLE', message: /something else has this name/ });
});

test('a socket that cannot be made is named with the cause', async (t) => {
  const home = new Home(t);
  const options = (socket: string) => ({ options: { socket } });
  const long = options(`${home.socket}${'x'.repeat(100)}`);
  await t.throwsAsync(run(t, home, long).ended, { code: 'SOCKET_UNUSABLE', message: /x: a path of \d+ bytes, / });
  await t.throwsAsync(run(t, home, options('/proc/vipd.sock')).ended, { code: 'SOCKET_UNUSABLE' });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('/metrics, and nothing else, is on TCP where that is asked for', async (t) => {
  const home = new Home(t);
  home.write(web);
  const port = await freePort();
  await ready(t, home, { options: { listen: { address: '127.0.0.1', port } } });
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  t.regex(await answer.text(), /vipd_vip_programmed\{vip="tcp\/11\.0\.0\.80:80",name="web"\} 1/);
  t.is((await fetch(`http://127.0.0.1:${port}/v1/status`)).status, 404);
});

test('explain tells drift made by hand until it is repaired', async (t) => {
  const home = new Home(t);
  home.write(web);
  const { client: api, plane } = await ready(t, home, { options: { reconcileInterval: 3_600_000 } });
  t.deepEqual((await api.explain({ key })).drift, []);
  plane.tamper({ remove: key });
  t.deepEqual((await api.explain({ key })).drift, ['the kernel does not hold the VIP']);
  t.regex((await vipctl(home.socket, 'explain', 'web')).out, /the kernel does not hold the VIP/);
});
