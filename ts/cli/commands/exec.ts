import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export function addExec(commands: Commands): void {
  commands
    .add('exec <command> [args...]', "run a command in the daemon's cgroup, where VIPs work by the sock hook")
    .passThroughOptions()
    .action(
      commands.action(async (session, command: string, args: readonly string[]) => {
        const { cgroup } = await session.client.exec();
        enter(cgroup);
        return await run(command, args);
      }),
    );
}

/** Moves this process; the child is born where its parent is. `0` means the writer, whatever its pid namespace. */
function enter(cgroup: string): void {
  try {
    writeFileSync(join(cgroup, 'cgroup.procs'), '0');
  } catch (error) {
    const denied = ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
    const code = denied ? 'PRIVILEGE_MISSING' : 'CGROUP_UNUSABLE';
    const cause = (error as Error).message;
    throw new VipdError({ code, object: `cgroup ${cgroup}`, cause, ...(denied ? { hint: 'run it as root' } : {}) });
  }
}

/** Exit status of the command, or 128 + number of the signal that ended it, as a shell says it. */
function run(command: string, args: readonly string[]): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of forwarded) process.on(signal, pass);
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const cause = error.code === 'ENOENT' ? 'there is no such command' : error.message;
      reject(new VipdError({ code: 'COMMAND_UNUSABLE', object: `command ${command}`, cause }));
    });
    child.once('exit', (status, signal) => {
      resolve(signal === null ? (status ?? exitStatus.failed) : 128 + constants.signals[signal]);
    });
  }).finally(() => {
    for (const signal of forwarded) process.off(signal, pass);
  });
}
