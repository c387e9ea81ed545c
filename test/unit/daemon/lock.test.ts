import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { lockDirectory } from '../../../ts/daemon/lock.js';

function directoryOf(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-lock-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

const module = new URL('../../../ts/daemon/lock.js', import.meta.url).href;

/** Another process that holds the lock and listens on a socket until it is killed. */
async function holder(t: ExecutionContext, directory: string, socket: string) {
  const script = `
    import { createServer } from 'node:net';
    import { lockDirectory } from '${module}';
    lockDirectory('${directory}');
    createServer().listen('${socket}', () => console.log('locked'));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('a second daemon is told the pid and the socket of the first', async (t) => {
  const directory = directoryOf(t);
  const socket = join(directory, 'x.sock');
  const child = await holder(t, directory, socket);
  const error = t.throws(() => lockDirectory(directory), { code: 'DAEMON_RUNNING' });
  t.true(error?.message.includes(`another vipd holds it, pid ${child.pid}, socket ${socket}`), error?.message);
});

test('a daemon that was killed leaves no lock', async (t) => {
  const directory = directoryOf(t);
  const child = await holder(t, directory, join(directory, 'x.sock'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.notThrows(() => lockDirectory(directory).release());
});

test('a lock given back can be taken again', (t) => {
  const directory = directoryOf(t);
  const lock = lockDirectory(directory);
  t.throws(() => lockDirectory(directory), { code: 'DAEMON_RUNNING' });
  lock.release();
  t.notThrows(() => lockDirectory(directory).release());
});

test('a directory that is none is named', (t) => {
  const file = join(directoryOf(t), 'file');
  writeFileSync(file, '');
  t.throws(() => lockDirectory(join(file, 'x')), { code: 'BPFFS_UNUSABLE', message: /file\/x: ENOTDIR/ });
});
