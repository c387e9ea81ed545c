import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import zookeeper, { type Client } from 'node-zookeeper-client';
import { until } from '../../../../ts/quickstart/until.js';
import { listedMasters, parseZkUrl } from '../../../../ts/sources/mesos/masters.js';
import { ZooKeeperMasters } from '../../../../ts/sources/mesos/zookeeper.js';
import { VipdError } from '../../../../ts/util/errors.js';

const jar = '/usr/share/java/zookeeper.jar';
const real = existsSync(jar) && existsSync('/usr/bin/java') ? test : test.skip;
const suffix = real === test.skip ? ' [needs apt-get install zookeeper]' : '';

/** Below the ephemeral ports: a client that tries one of those while nobody listens there may connect to itself. */
function somePort(): number {
  return 20_000 + Math.floor(Math.random() * 10_000);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function start(port: number, directory: string): ChildProcess {
  const main = 'org.apache.zookeeper.server.ZooKeeperServerMain';
  const argv = ['-Xmx128m', '-Dzookeeper.admin.enableServer=false', '-cp', jar, main, String(port), directory];
  return spawn('/usr/bin/java', argv, { stdio: 'ignore' });
}

/** A ZooKeeper of the test's own. */
async function server(t: ExecutionContext): Promise<{ port: number; restart(): Promise<void> }> {
  const [port, directory] = [somePort(), mkdtempSync(join(tmpdir(), 'vipd-zk-'))];
  let child = start(port, directory);
  const stop = async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  t.teardown(async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  });
  await until('ZooKeeper', 60_000, () => answers(port));
  const restart = async () => {
    await stop();
    child = start(port, directory);
    await until('ZooKeeper', 60_000, () => answers(port));
  };
  return { port, restart };
}

/** A session of a master; several attempts, because the client waits for ever for a server that is still starting. */
async function connection(t: ExecutionContext, port: number): Promise<Client> {
  return until('a session', 60_000, async () => {
    const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 4_000 });
    client.connect();
    const connected = once(client, 'connected', { signal: AbortSignal.timeout(5_000) });
    const stands = await connected.then(
      () => true,
      () => false,
    );
    if (stands) t.teardown(() => client.close());
    else client.close();
    return stands && client;
  });
}

function announce(client: Client, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.mkdirp('/mesos', (missing) => {
      if (missing) return reject(missing);
      const mode = zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL;
      return client.create('/mesos/json.info_', Buffer.from(text), mode, (error, path) =>
        error ? reject(error) : resolve(path),
      );
    });
  });
}

const info = (ip: string, port = 5050) => JSON.stringify({ id: 'm', address: { ip, port, hostname: ip }, pid: 'x' });

function codeOf(masters: ZooKeeperMasters): string | undefined {
  try {
    masters.urls();
    return undefined;
  } catch (error) {
    return error instanceof VipdError ? error.fault.code : String(error);
  }
}

real(`the master that announced itself first leads; who comes and goes is followed${suffix}`, async (t) => {
  const { port, restart } = await server(t);
  const options = { url: `zk://127.0.0.1:${port}/mesos`, scheme: 'http', sessionMs: 4_000 } as const;
  const masters = new ZooKeeperMasters(options);
  t.teardown(() => masters.close());
  t.is(codeOf(masters), 'NO_LEADER');
  const known = (...urls: readonly string[]) =>
    until(urls.join(), 60_000, () => codeOf(masters) === undefined && masters.urls().join() === urls.join());
  const first = await connection(t, port);
  const changed = masters.changed(new AbortController().signal);
  await announce(first, info('10.0.0.1'));
  await changed;
  await known('http://10.0.0.1:5050');
  const second = await connection(t, port);
  await announce(second, '{"no": "address"}');
  await announce(second, info('fd00::2', 5051));
  await known('http://10.0.0.1:5050', 'http://[fd00::2]:5051');
  first.close();
  await known('http://[fd00::2]:5051');
  await restart();
  const third = await connection(t, port);
  await announce(third, info('10.0.0.3'));
  await until('the third', 60_000, () => masters.urls().includes('http://10.0.0.3:5050'));
});

test('where ZooKeeper is', (t) => {
  t.deepEqual(parseZkUrl('zk://a:2181,b:2181/mesos'), { hosts: 'a:2181,b:2181', path: '/mesos' });
  t.deepEqual(parseZkUrl('zk://user:secret@a:2181/deep/mesos/'), { hosts: 'a:2181', path: '/deep/mesos' });
  for (const url of ['zk://a:2181', 'zk:///mesos', 'http://a/mesos']) {
    t.is(t.throws(() => parseZkUrl(url), { instanceOf: VipdError })?.fault.code, 'ADDRESS_INVALID', url);
  }
});

test('a list stays what it is', async (t) => {
  const masters = listedMasters(['http://10.0.0.1:5050']);
  t.deepEqual(masters.urls(), ['http://10.0.0.1:5050']);
  await masters.changed(AbortSignal.abort());
});
