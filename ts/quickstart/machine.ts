import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { VipdError } from '../util/errors.js';
import { Cgroup } from './cgroup.js';
import { attempt, run } from './command.js';
import { uninstall } from './daemon.js';
import { bpffs, clients, directory, ours, pins } from './places.js';
import * as topology from './topology.js';

const owner = `${directory}/owner`;

/**
 * Claims the machine for this process; gives it back when the process ends, also by an exception. What a killed
 * quickstart left behind is removed first.
 * @throws VipdError ROOT_NEEDED | QUICKSTART_RUNNING
 */
export function claim(): void {
  expectRoot();
  expectAlone();
  giveBack();
  process.on('exit', giveBack);
  mkdirSync(bpffs, { recursive: true });
  writeFileSync(owner, `${process.pid} ${startTime(process.pid)}`);
}

/**
 * Claims the machine and keeps packets for VIPs on it.
 * @throws VipdError ROOT_NEEDED | QUICKSTART_RUNNING | POOL_ROUTED | COMMAND_FAILED
 */
export function takeOver(): void {
  claim();
  run(['mount', '-t', 'bpf', 'bpf', bpffs]);
  ours.create();
  clients.create();
  topology.cover();
}

/** Leaves the machine as it was, however far it came. Synchronous, because it runs while the process exits. */
function giveBack(): void {
  ours.kill();
  if (existsSync(pins)) uninstall();
  ours.remove();
  attempt(['umount', bpffs]);
  topology.down();
  // Someone may still be in there, in a shell started by `vipctl exec -- bash`.
  for (const pid of clients.pids()) Cgroup.own().add(pid);
  clients.remove();
  rmSync(directory, { recursive: true, force: true });
}

function expectRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new VipdError({
    code: 'ROOT_NEEDED',
    object: 'quickstart',
    cause: 'network namespaces and BPF programs need CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF',
    hint: 'run it as root',
  });
}

function expectAlone(): void {
  if (!existsSync(owner)) return;
  const [pid = 0, started] = readFileSync(owner, 'utf8').split(' ').map(Number);
  if (startTime(pid) !== started) return;
  const cause = `is already running as process ${pid}`;
  throw new VipdError({ code: 'QUICKSTART_RUNNING', object: 'quickstart', cause, hint: `end it with: kill ${pid}` });
}

/** When a process was started, in ticks since boot; tells it from a later one of the same number (proc(5), field 22). */
function startTime(pid: number): number | undefined {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '');
    return Number(afterName.split(' ')[19]);
  } catch {
    return undefined;
  }
}
