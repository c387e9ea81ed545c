import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { kernelTest } from './privileged.js';

const script = join(import.meta.dirname, 'scenarios.js');

const cases = [
  ['attaches XDP in the driver, updates it in place, refuses a second', 'xdpNative'],
  ['attaches generic XDP, updates it in place, refuses a second', 'xdpGeneric'],
  ['attaches TCX, lists it, updates it in place', 'tcx'],
  ['attaches through clsact and leaves the filters of others', 'clsact'],
  ['lists interfaces with kind, peer, master and XDP program', 'linkList'],
  ['lists addresses of both families', 'addressList'],
  ['makes and removes an unreachable route, and no other', 'unreachable'],
  ['tells which interfaces come and go', 'watching'],
  ['mounts a bpf filesystem, and pins only there', 'bpffs'],
] as const;

/** Before 6.6 there is no TCX, and tc attaches through clsact. */
const [major = 0, minor = 0] = release().split('.').map(Number);
const hasTcx = major > 6 || (major === 6 && minor >= 6);

for (const [title, scenario] of cases) {
  if (scenario === 'tcx' && !hasTcx) {
    test.skip(`${title} (a kernel before 6.6 has no TCX)`, () => {});
    continue;
  }
  kernelTest(title, (t) => {
    const run = spawnSync('unshare', ['--net', '--mount', process.execPath, script, scenario], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    t.is(run.status, 0, run.stderr || String(run.error ?? run.signal));
  });
}
