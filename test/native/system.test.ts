import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { NativeError } from '../../ts/native/errors.js';
import { sdNotify } from '../../ts/native/system.js';

// Node has no unix datagram sockets; Perl is part of every Debian.
const receiver = `use Socket; my $name = $ARGV[0]; $name =~ s/^\\@/\\0/;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, pack_sockaddr_un($name)) or die $!;
$| = 1; print "ready\\n"; recv($s, my $message, 4096, 0); print $message;`;

/** What a service manager at the socket receives when `send` has run. */
async function received(socket: string, send: () => void): Promise<string> {
  const child = spawn('perl', ['-e', receiver, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (text === '') send();
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

test('notifies the service manager through a path', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-notify-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'socket');
  t.is(await received(path, () => sdNotify('READY=1\nSTATUS=serving', path)), 'ready\nREADY=1\nSTATUS=serving');
});

test('notifies through an abstract socket', async (t) => {
  const name = `@vipd-test-${process.pid}`;
  t.is(await received(name, () => sdNotify('WATCHDOG=1', name)), 'ready\nWATCHDOG=1');
});

test('tells nobody when nobody waits, and says when the socket is gone or too long', (t) => {
  t.false(sdNotify('READY=1', ''));
  t.throws(() => sdNotify('READY=1', '/nonexistent/socket'), { instanceOf: NativeError, code: 'ENOENT' });
  t.throws(() => sdNotify('READY=1', `/${'x'.repeat(200)}`), { instanceOf: NativeError, code: 'ENAMETOOLONG' });
});
