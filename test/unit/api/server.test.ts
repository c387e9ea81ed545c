import { request } from 'node:http';
import test from 'ava';
import { createClient, requestFor } from '../../../ts/api/client.js';
import { routes } from '../../../ts/api/routes/routes.js';
import { unixTransport } from '../../../ts/api/unix.js';
import { event, webStatus } from './fake-ports.js';
import { serve } from './with-server.js';

interface Raw {
  readonly status: number | undefined;
  readonly body: { readonly error?: { readonly code: string; readonly cause: string } } & Record<string, unknown>;
}

function raw(socketPath: string, method: string, path: string, body?: string): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      incoming.once('end', () => resolve({ status: incoming.statusCode, body: JSON.parse(text) }));
    });
    outgoing.once('error', reject).end(body);
  });
}

const statuses: readonly [title: string, method: string, path: string, status: number, code: string, body?: string][] =
  [
    ['an unknown route', 'GET', '/v2/x', 404, 'NOT_FOUND'],
    ['an unknown VIP', 'GET', '/v1/vips/x', 404, 'NOT_FOUND'],
    ['a service of another source', 'DELETE', '/v1/services/web', 409, 'SERVICE_FOREIGN'],
    ['a body that is no JSON', 'PUT', '/v1/services/web', 400, 'REQUEST_INVALID', '{'],
    ['a body that is no service', 'PUT', '/v1/services/web', 400, 'SERVICE_INVALID', '[1]'],
    ['a body without a list', 'PUT', '/v1/services', 400, 'REQUEST_INVALID', '{"services":3}'],
    ['an unknown key', 'PUT', '/v1/services/web', 400, 'KEY_UNKNOWN', '{"vip":"11.0.0.1:1","backends":[],"wieght":1}'],
    ['a body beyond the limit', 'PUT', '/v1/services', 413, 'REQUEST_INVALID', ' '.repeat((1 << 20) + 1)],
    ['a query value of another type', 'GET', '/v1/flows?limit=many', 400, 'REQUEST_INVALID'],
  ];

for (const [title, method, path, status, code, body] of statuses) {
  test(`${title}: ${status} ${code}`, async (t) => {
    const { socket } = await serve(t);
    const answer = await raw(socket, method, path, body);
    t.is(answer.status, status);
    t.is(answer.body.error?.code, code);
  });
}

test('what a handler throws by mistake is a 500 with its message', async (t) => {
  const { socket, ports } = await serve(t);
  ports.plane.flows = () => Promise.reject(new Error('boom'));
  const answer = await raw(socket, 'GET', '/v1/flows');
  t.is(answer.status, 500);
  t.like(answer.body.error, { code: 'INTERNAL', cause: 'boom' });
});

test('the OpenAPI document names every route by its method in the client', async (t) => {
  const { socket } = await serve(t);
  const { body } = await raw(socket, 'GET', '/v1/openapi.json');
  const paths = body.paths as Record<string, Record<string, { operationId: string }>>;
  const ids = Object.values(paths).flatMap((path) => Object.values(path).map((operation) => operation.operationId));
  t.deepEqual(ids.sort(), Object.keys(routes).sort());
});

test('an event stream begins before there is any event', async (t) => {
  const { client, ports } = await serve(t);
  ports.events.recent = () => [];
  const events = await client.events({ follow: true });
  for (const listener of ports.listeners) listener(event);
  t.deepEqual((await events[Symbol.asyncIterator]().next()).value, event);
});

test('an event stream goes on until its reader leaves, and then is let go of', async (t) => {
  const { client, ports } = await serve(t);
  const seen: unknown[] = [];
  for await (const one of await client.events({ follow: true })) {
    seen.push(one);
    if (seen.length === 3) break;
    // The reader waits for what has not happened yet when this is called.
    for (const listener of ports.listeners) listener({ ...event, at: event.at + seen.length });
  }
  t.deepEqual(seen, [event, { ...event, at: event.at + 1 }, { ...event, at: event.at + 2 }]);
  while (ports.listeners.size > 0) await new Promise((resolve) => setImmediate(resolve));
  t.is(ports.listeners.size, 0);
});

test('a daemon that is not there has a code of its own and a hint', async (t) => {
  const client = createClient(unixTransport('/nonexistent/vipd.sock'));
  const error = await t.throwsAsync(client.status(), { code: 'DAEMON_UNREACHABLE' });
  t.regex(error?.message ?? '', /socket \/nonexistent\/vipd\.sock: .*systemctl start vipd/);
});

test('parameters are encoded into the path, query keys only when given', (t) => {
  const { url } = requestFor(routes.drain, { service: 'web', backend: '[fd00::1]:80' });
  t.is(url, '/v1/services/web/backends/%5Bfd00%3A%3A1%5D%3A80/drain');
  t.is(requestFor(routes.vip, { key: 'tcp/11.0.0.80:80' }).url, '/v1/vips/tcp%2F11.0.0.80%3A80');
  t.is(requestFor(routes.events, {}).url, '/v1/events');
  t.is(requestFor(routes.events, { follow: false }).url, '/v1/events?follow=false');
});

test('VIPs in the form of DC/OS: the families of a name are one, and who has the answer gets it no second time', async (t) => {
  const { socket, ports } = await serve(t);
  const vipName = { label: 'web', framework: 'marathon' };
  const six = { ...webStatus.frontend, address: 'fd01:c::80' };
  const v6 = { ...webStatus, vipName, frontend: six, backends: [{ ...webStatus.backends[0]!, address: 'fd00::1' }] };
  ports.status.vips = () => [{ ...webStatus, vipName }, v6, { ...webStatus, frontend: six }];
  const ask = (headers: Record<string, string>) =>
    new Promise<{ status: number | undefined; tag: string | undefined; text: string }>((resolve, reject) => {
      const outgoing = request({ socketPath: socket, path: '/v1/vips', headers, agent: false }, async (incoming) => {
        const text = (await incoming.toArray()).join('');
        resolve({ status: incoming.statusCode, tag: incoming.headers.etag, text });
      });
      outgoing.once('error', reject).end();
    });
  const first = await ask({});
  const [named, plain] = JSON.parse(first.text) as { vip: string; addresses: string[]; backend: { ip: string }[] }[];
  t.is(named!.vip, 'web.marathon.l4lb.thisdcos.directory:80');
  t.deepEqual(named!.addresses, ['11.0.0.80', 'fd01:c::80']);
  t.deepEqual(
    named!.backend.map(({ ip }) => ip),
    ['10.0.0.1', '10.0.0.2', 'fd00::1'],
  );
  t.is(plain!.vip, '[fd01:c::80]:80');
  t.regex(first.tag!, /^"[A-Za-z0-9+/=]{28}"$/);
  t.deepEqual(await ask({ 'if-none-match': first.tag! }), { status: 304, tag: first.tag, text: '' });
  ports.status.vips = () => [];
  t.is((await ask({ 'if-none-match': first.tag! })).text, '[]');
});

test('nodes in the form of DC/OS: those of the cluster, and this node where it is in none', async (t) => {
  const { client, ports } = await serve(t);
  const [member] = ports.cluster.members();
  const others = ['alive', 'left', 'refused', 'unreachable'] as const;
  ports.cluster.members = () => [member!, ...others.map((state) => ({ ...member!, name: state, state }))];
  t.deepEqual(
    (await client.nodes()).map(({ hostname }) => hostname),
    [member!.name, 'alive', 'unreachable'],
  );
  ports.cluster.members = () => [];
  const [alone, ...more] = await client.nodes();
  t.like(alone, { hostname: 'alone', private_ip: '10.0.0.9', public_ips: [] });
  t.deepEqual(more, []);
});
