import { get } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { Apps } from '../../simulators/apps.js';
import { MarathonSimulator } from '../../simulators/marathon.js';
import type { Json } from '../../simulators/world.js';

/** Its API, by a plain client, and what ends a deployment of an app. */
async function simulated(t: ExecutionContext) {
  const marathon = new MarathonSimulator({ keepAliveMs: 50 });
  await marathon.listener.listen();
  t.teardown(() => marathon.close());
  const ending: (() => void)[] = [];
  marathon.hands = { ...marathon.hands, change: () => new Promise<void>((resolve) => void ending.push(resolve)) };
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(marathon.url + path, { method, ...(body && { body: JSON.stringify(body) }) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const apps = async (query = '') => (await call('GET', `/v2/apps${query}`)).body.apps as Json[];
  return { marathon, ending, call, apps };
}

/** Reads the stream; resolves once it stands. */
async function listening(t: ExecutionContext, { url }: MarathonSimulator, query = '') {
  const given = new AbortController();
  t.teardown(() => given.abort());
  const headers = { accept: 'text/event-stream' };
  const answer = await fetch(`${url}/v2/events${query}`, { headers, signal: given.signal });
  let [text, arrived] = ['', () => {}];
  const read = async () => {
    for await (const piece of answer.body!) {
      text += Buffer.from(piece).toString();
      arrived();
    }
  };
  const ended = read().catch(() => undefined);
  const until = async (condition: (text: string) => boolean) => {
    while (!condition(text)) await new Promise<void>((resolve) => (arrived = resolve));
    return text;
  };
  await until((all) => all.includes('event_stream_attached'));
  return { until, ended, told: () => [...text.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n)) };
}

test('quirk: an app that is being deployed is locked, unless its change is forced', async (t) => {
  const { ending, call } = await simulated(t);
  const first = await call('PUT', '/v2/apps/web', { instances: 1 });
  t.is(first.status, 200);
  const locked = await call('PUT', '/v2/apps/web', { instances: 2 });
  t.is(locked.status, 409);
  t.deepEqual(locked.body.deployments, [{ id: first.body.deploymentId }]);
  t.is((await call('DELETE', '/v2/apps/web')).status, 409);
  t.is((await call('PUT', '/v2/apps/other', { instances: 1 })).status, 200);
  const forced = await call('PUT', '/v2/apps/web?force=true', { instances: 3 });
  t.is(forced.status, 200);
  ending[0]!(); // the one that was overridden: the lock is the other's by now
  t.is((await call('PUT', '/v2/apps/web', {})).status, 409);
  const { apps } = (await call('GET', '/v2/apps?embed=apps.deployments')).body as { apps: Record<string, unknown>[] };
  t.deepEqual(apps.find(({ id }) => id === '/web')?.deployments, [{ id: forced.body.deploymentId }]);
  ending[2]!();
  const again = await call('PUT', '/v2/apps/web', { instances: 1 });
  t.is(again.status, 200);
  t.is((await call('DELETE', '/v2/apps/none')).status, 404);
});

test('quirk: service ports are given where they are left open, each to one app', async (t) => {
  const { marathon } = await simulated(t);
  const ports = (id: string, ...wanted: number[]) => {
    const app = marathon.put({ id, portDefinitions: wanted.map((port) => ({ port })) });
    return (app.portDefinitions as { port: number }[]).map(({ port }) => port);
  };
  t.deepEqual(ports('/a', 10_001, 0), [10_001, 10_000]);
  t.deepEqual(ports('/b', 0, 0), [10_002, 10_003]);
  t.deepEqual(ports('/a', 0), [10_000]);
  const { container } = marathon.put({
    id: '/c',
    container: { portMappings: [{ containerPort: 80 }, { servicePort: 10_009 }] },
  });
  t.deepEqual(
    (container as { portMappings: Json[] }).portMappings.map(({ servicePort }) => servicePort),
    [10_001, 10_009],
  );
});

test('quirk: tasks, deployments and readiness only where they are asked for, and nulls for what was not said', async (t) => {
  const { marathon, apps } = await simulated(t);
  marathon.put({ id: '/web', tasks: [{ id: 't' }] });
  const [bare] = await apps();
  t.like(bare, { container: null, ipAddress: null, instances: 1 });
  for (const key of ['tasks', 'deployments', 'readinessCheckResults']) t.false(key in bare!, key);
  const [whole] = await apps('?embed=apps.tasks&embed=apps.deployments&embed=apps.readiness');
  t.like(whole, { tasks: [{ id: 't' }], deployments: [], readinessCheckResults: [] });
});

test('quirk: apps are selected by cmd, id and labels', async (t) => {
  const { marathon, apps } = await simulated(t);
  marathon.put({ id: '/shop/web', cmd: 'nginx -g', labels: { tier: 'front' } });
  marathon.put({ id: '/shop/db', cmd: 'postgres', labels: { tier: 'back', disk: 'ssd' } });
  const ids = async (query: string) => (await apps(query)).map(({ id }) => id);
  t.deepEqual(await ids('?cmd=nginx'), ['/shop/web']);
  t.deepEqual(await ids('?id=db'), ['/shop/db']);
  t.deepEqual(await ids('?label=tier'), ['/shop/web', '/shop/db']);
  t.deepEqual(await ids('?label=tier==back,disk==ssd'), ['/shop/db']);
  t.deepEqual(await ids('?label=tier!=back'), ['/shop/web']);
  t.deepEqual(await ids('?label=rack'), []);
});

test('quirk: networks in the notation of today and in that of before 1.5', async (t) => {
  const { marathon, apps } = await simulated(t);
  const portMappings = [
    { containerPort: 80, servicePort: 10_000, protocol: 'tcp', name: 'http', labels: { VIP_0: '/w:80' } },
  ];
  const container = { type: 'DOCKER', docker: { image: 'web' }, portMappings };
  marathon.put({ id: '/b', networks: [{ mode: 'container/bridge' }], container });
  marathon.put({ id: '/c', networks: [{ mode: 'container', name: 'dcos' }], container });
  marathon.put({ id: '/h', networks: [{ mode: 'host' }], portDefinitions: [{ port: 9 }] });
  t.deepEqual(
    (await apps()).map(({ networks }) => (networks as Json[])[0]?.mode),
    ['container/bridge', 'container', 'host'],
  );
  marathon.store.notation = 'old';
  const [bridge, own, host] = await apps();
  t.true([bridge, own, host].every((app) => !('networks' in app!)));
  t.like(bridge, { container: { docker: { network: 'BRIDGE', portMappings: [{ containerPort: 80 }] } } });
  t.like(own, {
    ipAddress: { networkName: 'dcos', discovery: { ports: [{ number: 80, labels: { VIP_0: '/w:80' } }] } },
  });
  t.like(host, { portDefinitions: [{ port: 9 }], ipAddress: null });
});

test('quirk: pods are apart from apps', async (t) => {
  const { marathon, apps } = await simulated(t);
  marathon.pods.push({ id: '/pod' });
  t.deepEqual(await apps(), []);
  const pods = await fetch(`${marathon.url}/v2/pods/::status`);
  t.deepEqual(await pods.json(), [{ id: '/pod' }]);
});

test('quirk: events of the wanted types, with empty lines to show that it lives, and 405 to who accepts no events', async (t) => {
  const { marathon } = await simulated(t);
  t.is((await fetch(`${marathon.url}/v2/events`)).status, 405);
  const { until } = await listening(t, marathon, '?event_type=b&event_type=c');
  for (const type of ['a', 'b', 'c']) marathon.tell(type, { n: 1 });
  const text = await until((all) => all.includes('event: c') && all.endsWith('\r\n'));
  t.false(text.includes('event: a'));
  t.regex(text, /event: b\ndata: \{"eventType":"b","timestamp":"[^"]+","n":1\}\n\n/);
});

test('quirk: events are lost, doubled, and in another order', async (t) => {
  const { marathon } = await simulated(t);
  const { until, told } = await listening(t, marathon);
  const tell = async (disorder: typeof marathon.events.disorder, ...numbers: number[]) => {
    const before = told().length;
    marathon.events.disorder = disorder;
    for (const n of numbers) marathon.tell('status_update_event', { n });
    marathon.events.disorder = 'none';
    marathon.tell('end', { n: 9 });
    await until(() => told().at(-1) === 9 && told().length > before);
    return told().slice(before, -1);
  };
  t.deepEqual(await tell('none', 1, 2, 3), [1, 2, 3]);
  t.deepEqual(await tell('lost', 1, 2, 3), []);
  t.deepEqual(await tell('doubled', 1, 2), [1, 1, 2, 2]);
  t.deepEqual(await tell('shuffled', 1, 2, 3), [3, 2, 1]);
});

test('quirk: who leaves 1,024 events untaken is cut off', async (t) => {
  const { marathon } = await simulated(t);
  const request = get(`${marathon.url}/v2/events`, { headers: { accept: 'text/event-stream' } });
  t.teardown(() => request.destroy());
  request.on('error', () => {}); // being cut off
  await new Promise((resolve) => request.once('response', (response) => resolve(response.pause())));
  const more = { text: 'x'.repeat(8_000) };
  while (marathon.events.readers > 0) {
    for (let i = 0; i < 500; i += 1) marathon.tell('status_update_event', more);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(marathon.events.readers, 0);
});

test('quirk: an event comes before what it tells of can be read', async (t) => {
  const { marathon, apps } = await simulated(t);
  await apps();
  marathon.lagMs = 60_000;
  marathon.put({ id: '/web' });
  t.deepEqual(await apps(), []);
  marathon.lagMs = 0;
  t.is((await apps()).length, 1);
});

test('quirk: a standby sends the stream on by 302, and asks the leader for all else', async (t) => {
  const store = new Apps();
  const [leader, standby] = [new MarathonSimulator({ store }), new MarathonSimulator({ store })];
  for (const one of [leader, standby]) await one.listener.listen();
  t.teardown(() => Promise.all([leader.close(), standby.close()]));
  standby.leader = leader;
  const events = await fetch(`${standby.url}/v2/events?event_type=a`, { redirect: 'manual' });
  t.is(events.status, 302);
  t.is(events.headers.get('location'), `${leader.url}/v2/events?event_type=a`);
  leader.put({ id: '/web' });
  const apps = await fetch(`${standby.url}/v2/apps`);
  t.is(apps.headers.get('x-marathon-leader'), leader.url);
  t.like(await apps.json(), { apps: [{ id: '/web' }] });
  t.is((await fetch(`${standby.url}/v2/apps/none`)).status, 404);
});

test('quirk: it wants basic credentials or a token, answers slowly, with errors, or half', async (t) => {
  const { marathon, apps } = await simulated(t);
  for (const authorization of ['Basic dTpw', 'token=x.y.z']) {
    marathon.guard = { authorization };
    const refused = await fetch(`${marathon.url}/v2/apps`);
    t.is(refused.status, 401);
    t.is(refused.headers.get('www-authenticate'), 'Basic realm="Marathon"');
    t.is((await fetch(`${marathon.url}/v2/apps`, { headers: { authorization } })).status, 200);
  }
  marathon.guard = {};
  marathon.slowMs = 50;
  const begun = performance.now();
  await apps();
  t.true(performance.now() - begun >= 49);
  marathon.instead = (response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"apps":[');
    setImmediate(() => response.destroy());
  };
  await t.throwsAsync(apps());
});
