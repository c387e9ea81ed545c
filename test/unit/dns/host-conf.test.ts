import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HostConf, originalServers } from '../../../ts/dns/host-conf.js';
import { nameKey } from '../../../ts/dns/name.js';
import { parseResolvConf, systemServers } from '../../../ts/dns/resolv-conf.js';
import { domainsOf } from '../../../ts/dns/resolved.js';

const original = 'nameserver 192.0.2.53\nsearch corp.example\noptions edns0\n';
const servers = ['198.51.100.1', '198.51.100.2', '198.51.100.3', 'fd01:d::c633:6401'];

function setUp(t: ExecutionContext) {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-resolv-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const options = { path: join(directory, 'resolv.conf'), saved: join(directory, 'state', 'resolv.conf'), servers };
  const conf = () => new HostConf(options, { logger: { info: () => {}, warn: () => {} } });
  return { ...options, conf, read: () => readFileSync(options.path, 'utf8') };
}

test('the resolver is named instead of the servers that were, and these come back', (t) => {
  const { path, saved, conf, read } = setUp(t);
  writeFileSync(path, original);
  const held = conf();
  held.hold();
  t.regex(
    read(),
    /^# Written by vipd.*\nnameserver 198\.51\.100\.1\nnameserver 198\.51\.100\.2\nnameserver 198\.51\.100\.3\nsearch corp\.example\noptions edns0\n$/,
  );
  t.deepEqual(originalServers({ path, saved }), ['192.0.2.53']);
  held.hold();
  conf().hold();
  t.is(held.rewritten, 0);
  held.release();
  t.is(read(), original);
  t.false(existsSync(saved));
  held.release();
  t.is(read(), original);
});

test('what somebody writes meanwhile is the original from then on', (t) => {
  const { path, saved, conf, read } = setUp(t);
  writeFileSync(path, original);
  const held = conf();
  held.hold();
  writeFileSync(path, 'nameserver 192.0.2.99\n');
  held.hold();
  t.is(held.rewritten, 1);
  t.true(read().includes('nameserver 198.51.100.1'));
  t.deepEqual(originalServers({ path, saved }), ['192.0.2.99']);
  // A daemon that was killed and one that takes over know as much.
  const next = conf();
  next.hold();
  next.release();
  t.is(read(), 'nameserver 192.0.2.99\n');
});

test('a link comes back as a link, and what its file says meanwhile is heard', (t) => {
  const { path, saved, conf, read } = setUp(t);
  const target = `${path}.real`;
  writeFileSync(target, original);
  symlinkSync('resolv.conf.real', path);
  const held = conf();
  held.hold();
  t.false(lstatSync(path).isSymbolicLink());
  t.is(readFileSync(target, 'utf8'), original);
  writeFileSync(target, 'nameserver 192.0.2.99\n');
  t.deepEqual(originalServers({ path, saved }), ['192.0.2.99']);
  held.release();
  t.is(readlinkSync(path), 'resolv.conf.real');
  t.is(read(), 'nameserver 192.0.2.99\n');
});

test('what cannot be written is a fault, and tried again', (t) => {
  const { path, conf } = setUp(t);
  const held = new HostConf(
    { path: join(path, 'no', 'directory'), saved: `${path}.saved`, servers },
    { logger: { info: () => {}, warn: () => {} } },
  );
  held.hold();
  t.regex(held.fault()?.cause ?? '', /ENOENT/);
  const fine = conf();
  fine.hold();
  t.is(fine.fault(), undefined);
});

test('reads resolv.conf as the C library does', (t) => {
  const text =
    '; comment\nnameserver 192.0.2.1 # here\n nameserver fe80::1%eth0\nnameserver ::1\nnameserver x\ndomain a.b\nsearch c d\n';
  t.deepEqual(parseResolvConf(text), { servers: ['192.0.2.1', '::1'], search: ['c', 'd'] });
  const { path } = setUp(t);
  writeFileSync(path, 'nameserver 198.51.100.1\nnameserver 192.0.2.1\n');
  t.deepEqual(systemServers([`${path}.none`, path], [{ address: '198.51.100.1', port: 53 }]), [
    { address: '192.0.2.1', port: 53 },
  ]);
});

test('systemd-resolved is told the ends of our names, for routing only', (t) => {
  const suffixes = ['localhost', 'thisdcos.directory', 'l4lb.thisdcos.directory', 'mesos', 'xmesos', '.'].map(nameKey);
  t.deepEqual(domainsOf(suffixes), ['~mesos', '~thisdcos.directory', '~xmesos']);
});
