import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkCommand, checkHttp, checkTcp } from '../../../ts/health/check.js';
import type { Endpoint } from '../../../ts/model/address.js';
import type { HealthCheck } from '../../../ts/model/service.js';
import { directoryFor } from '../sources/directory.js';

const check = (more: Partial<HealthCheck>): HealthCheck => ({
  kind: 'tcp',
  intervalMs: 1000,
  timeoutMs: 1000,
  rise: 1,
  fall: 1,
  ...more,
});
const never = (): AbortSignal => new AbortController().signal;

async function listening(t: ExecutionContext, server: Server, address = '127.0.0.1'): Promise<Endpoint> {
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.teardown(() => server.close());
  server.on('connection', (socket: Socket) => socket.on('error', () => {})); // checks do not say goodbye
  return { address, port: (server.address() as AddressInfo).port };
}

/** A port where nobody listens any more. */
async function closedPort(t: ExecutionContext): Promise<Endpoint> {
  const server = createTcpServer();
  const endpoint = await listening(t, server);
  await new Promise((resolve) => server.close(resolve));
  return endpoint;
}

test('tcp: a listener is a success, also on IPv6 and on another port', async (t) => {
  const v4 = await listening(t, createTcpServer());
  const v6 = await listening(t, createTcpServer(), '::1');
  t.is(await checkTcp(check({}), v4, never()), undefined);
  t.is(await checkTcp(check({}), v6, never()), undefined);
  t.is(await checkTcp(check({ port: v4.port }), { ...v4, port: 1 }, never()), undefined);
});

test('tcp: nobody there is a failure by name', async (t) => {
  t.is(await checkTcp(check({}), await closedPort(t), never()), 'ECONNREFUSED');
});

test('tcp: it ends when it is aborted, before or while it runs', async (t) => {
  const endpoint = await listening(t, createTcpServer());
  t.is(await checkTcp(check({}), endpoint, AbortSignal.abort()), 'aborted');
  const controller = new AbortController();
  const finding = checkTcp(check({}), endpoint, controller.signal);
  controller.abort();
  t.is(await finding, 'aborted');
});

test('http: 2xx and 3xx are successes, all else is a failure with its status', async (t) => {
  const server = createServer((request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    response.end();
  });
  const endpoint = await listening(t, server);
  const statuses = [200, 204, 301, 399, 400, 404, 500, 503];
  const findings = await Promise.all(
    statuses.map((status) => checkHttp(check({ kind: 'http', path: `/${status}` }), endpoint, never())),
  );
  t.deepEqual(findings, [...Array(4).fill(undefined), 'status 400', 'status 404', 'status 500', 'status 503']);
});

test('http: the request has the path and the host it was told, on a connection of its own', async (t) => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    seen.push([request.method, request.url, request.headers.host, request.headers.connection]);
    response.end();
  });
  const endpoint = await listening(t, server);
  await checkHttp(check({ kind: 'http' }), endpoint, never());
  await checkHttp(check({ kind: 'http', path: '/ready?x=1', host: 'web.example' }), endpoint, never());
  t.deepEqual(seen, [
    ['GET', '/', `127.0.0.1:${endpoint.port}`, 'close'],
    ['GET', '/ready?x=1', 'web.example', 'close'],
  ]);
});

test('http: a body without an end holds nobody up', async (t) => {
  const endpoint = await listening(
    t,
    createServer((_request, response) => void response.writeHead(200).write('and')),
  );
  t.is(await checkHttp(check({ kind: 'http' }), endpoint, never()), undefined);
});

test('http: silence ends with the abort, a refusal and another protocol are failures', async (t) => {
  const silent = createTcpServer();
  const endpoint = await listening(t, silent);
  const controller = new AbortController();
  const finding = checkHttp(check({ kind: 'http' }), endpoint, controller.signal);
  silent.once('connection', () => controller.abort());
  t.is(await finding, 'aborted');
  t.is(await checkHttp(check({ kind: 'http' }), await closedPort(t), never()), 'ECONNREFUSED');
  const other = await listening(
    t,
    createTcpServer((socket) => void socket.end('220 smtp\r\n')),
  );
  t.is(await checkHttp(check({ kind: 'http' }), other, never()), 'HPE_INVALID_CONSTANT');
});

const command = (...argv: string[]): HealthCheck => check({ kind: 'command', command: argv });
const BACKEND = { address: '10.0.0.1', port: 8080 };

test('command: the exit status decides, and the last line of complaint is told', async (t) => {
  t.is(await checkCommand(command('true'), BACKEND, never()), undefined);
  t.is(await checkCommand(command('false'), BACKEND, never()), 'exit status 1');
  const script = 'echo first >&2; echo no route >&2; exit 3';
  t.is(await checkCommand(command('sh', '-c', script), BACKEND, never()), 'exit status 3, "no route"');
  t.is(await checkCommand(command('sh', '-c', 'kill -9 $$'), BACKEND, never()), 'killed by SIGKILL');
  t.is(await checkCommand(command('/nowhere/check'), BACKEND, never()), 'ENOENT');
});

test('command: it is given the backend and no other variable of ours; no shell reads its arguments', async (t) => {
  const script =
    'test "$VIPD_BACKEND_ADDRESS:$VIPD_BACKEND_PORT" = 10.0.0.1:8080 && test -z "$HOME" && test "$1" = "$(echo \\$X)"';
  t.is(await checkCommand(command('sh', '-c', script, 'sh', '$X'), BACKEND, never()), undefined);
});

test('command: an abort kills it and all it has started', async (t) => {
  const started = join(await directoryFor(t), 'pid');
  const controller = new AbortController();
  const finding = checkCommand(
    command('sh', '-c', `sleep 600 & echo $! > ${started}; wait`),
    BACKEND,
    controller.signal,
  );
  const pid = await eventually(async () => Number((await readFile(started, 'utf8')).trim() || undefined));
  controller.abort();
  t.is(await finding, 'killed by SIGKILL');
  await eventually(async () => (await isGone(pid)) || undefined);
  t.pass();
});

test('command: one that floods its output is still judged by its exit', async (t) => {
  const script = 'head -c 3000000 /dev/zero | tr "\\0" x >&2; exit 1';
  t.regex((await checkCommand(command('sh', '-c', script), BACKEND, never())) ?? '', /^exit status 1, "x{120}"$/);
});

/** Killed processes without a parent that reaps stay as zombies for a moment. */
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined || / Z /.test(stat);
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && !Number.isNaN(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
