import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { VipdError } from '../util/errors.js';

export interface Lock {
  release(): void;
}

/**
 * Makes this process the only daemon of a pin directory, for as long as it lives. The lock is on the directory itself,
 * the very thing that two daemons must not share, and the kernel gives it back whatever way the process ends.
 * @throws VipdError DAEMON_RUNNING naming the other one's pid and socket, BPFFS_UNUSABLE
 */
export function lockDirectory(directory: string): Lock {
  const fd = openDirectory(directory);
  // flock(2) is not in Node. The lock belongs to the open file, which the child shares, and stays when the child ends.
  const { status, error } = spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  if (status === 0) return { release: () => closeSync(fd) };
  closeSync(fd);
  if (error)
    throw unusable(directory, `flock cannot be run: ${error.message}`, 'install the package util-linux', error);
  throw running(directory);
}

function openDirectory(directory: string): number {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return openSync(directory, 'r');
  } catch (error) {
    const hint = 'is a bpffs mounted there? `mount -t bpf bpf /sys/fs/bpf`';
    throw unusable(directory, (error as Error).message, hint, error);
  }
}

function running(directory: string): VipdError {
  const pid = holderOf(directory);
  const socket = pid === undefined ? undefined : listeningSocket(pid);
  const who = [pid === undefined ? '' : `, pid ${pid}`, socket === undefined ? '' : `, socket ${socket}`].join('');
  return new VipdError({
    code: 'DAEMON_RUNNING',
    object: `directory ${directory}`,
    cause: `another vipd holds it${who}`,
    hint: 'stop that one first, or give this one another --bpffs, --socket and --state-dir',
  });
}

/** The process that has the directory open. */
function holderOf(directory: string): number | undefined {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const pid = pids.find((name) => openFiles(name).includes(directory));
  return pid === undefined ? undefined : Number(pid);
}

function listeningSocket(pid: number): string | undefined {
  const inodes = new Set(openFiles(String(pid)).map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1]));
  // Num RefCount Protocol Flags Type St Inode Path; flag 00010000 (__SO_ACCEPTCON) is a listening socket.
  const rows = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/));
  return rows.find((row) => row[3] === '00010000' && inodes.has(row[6]))?.[7];
}

/** What the descriptors of a process are; nothing for one that has ended or is not ours to look into. */
function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function targetOf(link: string): string[] {
  try {
    return [readlinkSync(link)];
  } catch {
    return [];
  }
}

function unusable(directory: string, cause: string, hint: string, error: unknown): VipdError {
  return new VipdError({ code: 'BPFFS_UNUSABLE', object: `directory ${directory}`, cause, hint }, { cause: error });
}
