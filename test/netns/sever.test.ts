import { fileURLToPath } from 'node:url';
import type { ServiceInput } from '../../ts/model/schema.js';
import { patient, until } from '../../ts/quickstart/until.js';
import { Agent, type OpenDialogue } from '../helpers/agent.js';
import type { Daemon } from '../helpers/daemon.js';
import { rootTest } from '../helpers/needs.js';
import { runAt } from '../helpers/programs.js';
import { type Scene, setScene } from '../helpers/scene.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { backendAddress, serviceOf, targetOf, vipText } from '../helpers/services.js';

// A socket that connect() gave a backend would stay with it for ever: once the backend is gone its owner must be told.

const vips = { v4: '11.0.0.53:53', v6: '[fd01:c::53]:53' } as const;
const kinds = [
  { name: 'udp4', manner: 'udp-connected', protocol: 'udp', vip: vips.v4, family: 'v4' },
  { name: 'udp6', manner: 'udp-connected', protocol: 'udp', vip: vips.v6, family: 'v6' },
  { name: 'tcp4', manner: 'tcp', protocol: 'tcp', vip: vips.v4, family: 'v4' },
  { name: 'tcp6', manner: 'tcp', protocol: 'tcp', vip: vips.v6, family: 'v6' },
] as const;
type Kind = (typeof kinds)[number];

const services = (servers: readonly EchoServer[]): ServiceInput[] =>
  kinds.map(({ name, vip, protocol }) => serviceOf(name, vip, servers, { protocol }));
const weighted = (servers: readonly EchoServer[], ...weights: readonly number[]): ServiceInput[] =>
  services(servers).map((service) => ({
    ...service,
    backends: servers.map((server, i) => ({
      address: backendAddress(vipText(service), server),
      weight: weights[i] ?? 1,
    })),
  }));

const targetBy = ({ vip }: Kind) => targetOf({ name: '', vip, backends: [] });
const directly = (server: EchoServer, { family }: Kind) => ({ address: server[family], port: server.port });

/** One socket of each kind, connected to the VIP. */
const openAll = (client: Agent) => Promise.all(kinds.map((kind) => client.open(kind.manner, targetBy(kind))));
const failuresOf = (open: readonly OpenDialogue[]) => open.map((dialogue) => dialogue.failure());
const aborted = kinds.map(() => 'ECONNABORTED');

async function severedSockets(daemon: Daemon): Promise<number> {
  return Number(/^vipd_severed_sockets_total (\d+)$/m.exec(await daemon.client.metrics())?.[1]);
}

/** Every backend of these is one that only the other server has. */
const sceneWith = (owner: Parameters<typeof setScene>[0], ...flags: readonly string[]): Promise<Scene> =>
  setScene(owner, 'sock', ['one', 'two'], (servers) => services(servers.slice(0, 1)), ...flags);

for (const place of ['the node', 'another namespace'] as const) {
  rootTest(`D1: sockets of ${place} whose backend is removed are ended at once, others are not touched`, async (t) => {
    const { lab, servers, daemon, client: onNode } = await sceneWith(t);
    const [one] = servers as [EchoServer];
    const client = place === 'the node' ? onNode : await Agent.start(lab, lab.site('client').namespace, lab.cgroup);
    const given = await openAll(client);
    const own = await Promise.all(kinds.map((kind) => client.open(kind.manner, directly(one, kind))));
    const turned = await client.open('udp-connected', targetBy(kinds[0]));
    await turned.redirect(directly(one, kinds[0]));
    for (const dialogue of [...given, ...own, turned]) t.like(await dialogue.ask(), { name: 'one' });
    const failures = failuresOf(given);
    await daemon.serve(services(servers.slice(1)));
    t.deepEqual(await Promise.all(failures), aborted);
    for (const kind of kinds) t.like(await client.ask(kind.manner, targetBy(kind)), { name: 'two' });
    await until('the count', 10_000, async () => (await severedSockets(daemon)) === given.length);
    for (const dialogue of [...own, turned]) t.like(await dialogue.ask(), { name: 'one' });
  });
}

rootTest('draining severs nothing; the removal that follows does, and tells whose sockets', async (t) => {
  const { client, servers, daemon } = await setScene(t, 'sock', ['one', 'two'], (each) => weighted(each, 1, 0));
  const given = await openAll(client);
  await daemon.serve(weighted(servers, 0, 1));
  for (const dialogue of given) t.like(await dialogue.ask(), { name: 'one' });
  const failures = failuresOf(given);
  await daemon.serve(services(servers.slice(1)));
  t.deepEqual(await Promise.all(failures), aborted);
  const told = new Set<string | undefined>();
  for await (const event of await daemon.client.events({})) {
    if (event.kind === 'severed') told.add(`${event.vip} ${event.backend} ${event.sockets}`);
    if (told.size === kinds.length) break;
  }
  const [{ v4, v6 }] = servers as [EchoServer];
  const whose = kinds.map(({ protocol, vip, family }) => {
    return `${protocol}/${vip} ${family === 'v4' ? v4 : `[${v6}]`}:7000 1`;
  });
  t.deepEqual([...told].sort(), whose.sort());
});

rootTest('sockets of a backend that fails its checks are ended', async (t) => {
  const health = { type: 'tcp', interval: '100ms', timeout: '50ms', rise: 1, fall: 2 } as const;
  const checked = ([one]: readonly EchoServer[]) => services([one!]).map((service) => ({ ...service, health }));
  const { client, servers } = await setScene(t, 'sock', ['one'], checked);
  const given = await openAll(client);
  // Its end closes the TCP connections; the UDP sockets hear nothing of it.
  const failures = failuresOf(given).filter((_, i) => kinds[i]?.protocol === 'udp');
  servers[0]?.child.kill('SIGKILL');
  t.deepEqual(await Promise.all(failures), ['ECONNABORTED', 'ECONNABORTED']);
});

rootTest('what was removed while the daemon was dead is severed when it comes back', async (t) => {
  const { client, servers, daemon } = await sceneWith(t);
  const given = await openAll(client);
  const failures = failuresOf(given);
  await daemon.end('SIGKILL');
  daemon.write(services(servers.slice(1)));
  for (const dialogue of given) t.like(await dialogue.ask(), { name: 'one' });
  await daemon.restart();
  t.deepEqual(await Promise.all(failures), aborted);
  for (const kind of kinds) t.like(await client.ask(kind.manner, targetBy(kind)), { name: 'two' });
});

rootTest('what one daemon removed and left alone the next one severs', async (t) => {
  const { client, servers, daemon } = await sceneWith(t, '--sever', 'false');
  const given = await openAll(client);
  await daemon.serve(services(servers.slice(1)));
  for (const dialogue of given) t.like(await dialogue.ask(), { name: 'one' });
  const failures = failuresOf(given);
  await daemon.end('SIGTERM');
  await daemon.restart('--sever', 'true');
  t.deepEqual(await Promise.all(failures), aborted);
});

rootTest('a backend that comes back within the delay has lost nothing', async (t) => {
  const { client, servers, daemon } = await sceneWith(t, '--sever-delay', `${patient(3_000)}ms`);
  const given = await openAll(client);
  await daemon.serve(services(servers.slice(1)));
  const later = await client.open('tcp', targetBy(kinds[2]));
  const failed = later.failure();
  await daemon.serve(services(servers));
  await daemon.serve(services(servers.slice(0, 1)));
  t.is(await failed, 'ECONNABORTED'); // so the delay of the first removal is over as well
  for (const dialogue of given) t.like(await dialogue.ask(), { name: 'one' });
});

const manySockets = fileURLToPath(new URL('../helpers/programs/many-sockets.js', import.meta.url));

rootTest('D2: sockets older than 70,000 others, and than the daemon, are ended like those of today', async (t) => {
  const { lab, client, servers, daemon } = await sceneWith(t);
  const old = await openAll(client);
  // More than any table of the kernel's would remember that forgets the least recently used.
  await runAt(lab, 'node', process.execPath, manySockets, vips.v4, '70000');
  await daemon.end('SIGKILL');
  await daemon.restart();
  await daemon.holds(services(servers.slice(0, 1)));
  const failures = failuresOf([...old, ...(await openAll(client))]);
  await daemon.serve(services(servers.slice(1)));
  t.deepEqual(await Promise.all(failures), [...aborted, ...aborted]);
});

rootTest(
  "D3: sockets of the node's own backend, which is preferred, are ended when it fails; others take over",
  async (t) => {
    const health = { type: 'tcp', interval: '100ms', timeout: '50ms', rise: 1, fall: 2 } as const;
    const { lab, client, servers, daemon } = await setScene(t, 'sock', ['far'], services);
    const [far] = servers as [EchoServer];
    const place = { ...far, namespace: lab.node, v4: far.nodeV4, v6: far.nodeV6 };
    const near = await startEcho(lab, place, 'near');
    const locality = { prefer: 'node', spillover: 0 } as const;
    await daemon.serve(services([far, near]).map((service) => ({ ...service, health, locality })));
    await until('the check of the preferred backend', 20_000, async () => {
      const tally = await client.tally('udp-connected', targetBy(kinds[0]), 10);
      return tally.near === 10;
    });
    const given = (await openAll(client)).filter((_, i) => kinds[i]?.protocol === 'udp');
    for (const dialogue of given) t.like(await dialogue.ask(), { name: 'near' });
    const failures = failuresOf(given);
    near.child.kill('SIGKILL');
    t.deepEqual(await Promise.all(failures), ['ECONNABORTED', 'ECONNABORTED']);
    for (const kind of kinds) t.like(await client.ask(kind.manner, targetBy(kind)), { name: 'far' });
  },
);
