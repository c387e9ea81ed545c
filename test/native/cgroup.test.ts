import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { BpfError } from '../../ts/libbpf/errors.js';
import { cgroup2Mount } from '../../ts/libbpf/features.js';
import { attachedToCgroup, BpfLink } from '../../ts/libbpf/link.js';
import { publicTree } from '../helpers/public-tree.js';
import { openFixture } from './objects.js';
import { kernelTest, pinPath } from './privileged.js';

const attachType = 10; // BPF_CGROUP_INET4_CONNECT of linux/bpf.h

function ownCgroup(t: ExecutionContext): string {
  const path = join(cgroup2Mount()!, `vipd-test-native-${process.pid}`);
  mkdirSync(path);
  t.teardown(() => rmdirSync(path));
  return path;
}

/** A local TCP server that says hello; its port. */
async function listen(t: ExecutionContext): Promise<number> {
  const server = createServer((socket) => socket.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What a process in the cgroup reads from port 1 of 127.0.0.1, or the error's code. */
async function readFrom(cgroup: string): Promise<string> {
  const client = `require('net').connect(1,'127.0.0.1').on('data',d=>console.log(String(d))).on('error',e=>console.log(e.code))`;
  const shell = 'echo $$ > "$0/cgroup.procs" && exec "$1" -e "$2"';
  const { stdout } = await promisify(execFile)('sh', ['-c', shell, cgroup, process.execPath, client]);
  return stdout.trim();
}

function connectProgram(port: number) {
  const object = openFixture();
  const image = object.rodata();
  image.writeUInt32LE(port, 4);
  object.setRodata(image);
  return object.load().program('probe_connect4');
}

kernelTest('redirects connections of a cgroup, is updated in place and survives by its pin', async (t) => {
  const cgroup = ownCgroup(t);
  const path = pinPath(t);
  const port = await listen(t);
  t.is(await readFrom(cgroup), 'ECONNREFUSED');

  const program = connectProgram(port);
  const link = BpfLink.attach(program, { kind: 'cgroup', path: cgroup, attachType });
  t.is(link.info.attachType, attachType);
  t.is(typeof link.info.cgroupId, 'bigint');
  t.deepEqual(attachedToCgroup(cgroup, attachType), [{ id: program.info.id, name: 'probe_connect4' }]);
  t.is(await readFrom(cgroup), 'hello');

  link.update(connectProgram(0));
  t.is(await readFrom(cgroup), 'ECONNREFUSED');

  link.pin(path);
  link.close();
  const again = BpfLink.openPinned(path);
  again.update(program);
  t.is(await readFrom(cgroup), 'hello');
  again.detach();
  again.close();
  t.is(await readFrom(cgroup), 'ECONNREFUSED');
});

kernelTest('names the place when a program cannot be attached', (t) => {
  const loaded = openFixture().load();
  const connect = loaded.program('probe_connect4');
  const absent = t.throws(() => BpfLink.attach(connect, { kind: 'cgroup', path: '/nonexistent', attachType }), {
    instanceOf: BpfError,
    code: 'ENOENT',
  });
  t.regex(absent.message, /^program probe_connect4 on cgroup \/nonexistent: attach failed: /);
  const nowhere = { kind: 'tcx', ifindex: 2 ** 30, direction: 'ingress' } as const;
  t.throws(() => BpfLink.attach(loaded.program('probe_tc'), nowhere), { instanceOf: BpfError, code: 'ENODEV' });
  t.throws(() => BpfLink.attach(connect, nowhere), { instanceOf: BpfError, code: 'EINVAL' });
});

kernelTest('opens an object without privilege and says what loading it needs', (t) => {
  const script = join(publicTree(t), 'dist/test/native/unprivileged.js');
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'];
  const run = spawnSync('setpriv', [...nobody, process.execPath, script], { encoding: 'utf8' });
  t.is(run.status, 0, run.stderr);
  t.regex(run.stdout, /^7 maps\nCAP_BPF CAP_NET_ADMIN CAP_PERFMON\nEPERM: .*run as root or with CAP_BPF/);
});

kernelTest('loads what can do without a function of the kernel, although its modules may not be listed', (t) => {
  const script = join(publicTree(t), 'dist/test/native/unprivileged.js');
  const held = '-all,+bpf,+net_admin,+perfmon';
  const capabilities = [`--inh-caps=${held}`, `--ambient-caps=${held}`, `--bounding-set=${held}`];
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', ...capabilities];
  const run = spawnSync('setpriv', [...nobody, process.execPath, script, 'weak'], { encoding: 'utf8' });
  t.is(run.status, 0, run.stderr);
  t.regex(run.stdout, /^0 maps\n\nloaded\n/);
});
