import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { VipdError } from '../util/errors.js';

/** Where cgroup v2 is mounted: /sys/fs/cgroup, or a folder of it on a machine that has version 1 too. @throws VipdError CGROUP_MISSING */
export function cgroupRoot(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string {
  const line = mountinfo.split('\n').find((one) => one.includes(' - cgroup2 '));
  const path = line?.split(' ')[4];
  if (path !== undefined) return path;
  throw new VipdError({
    code: 'CGROUP_MISSING',
    object: 'cgroup v2',
    cause: 'is not mounted',
    hint: 'mount it: mount -t cgroup2 none /sys/fs/cgroup',
  });
}

/** A control group of our own, so that nothing else on the machine passes through a program attached to it. */
export class Cgroup {
  readonly path: string;

  /** @param name below the root of the hierarchy; empty for the root itself */
  constructor(name: string) {
    this.path = `${cgroupRoot()}/${name}`;
  }

  /** The group this process is in. */
  static own(): Cgroup {
    const line = readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .find((one) => one.startsWith('0::'));
    return new Cgroup(line?.slice('0::/'.length) ?? '');
  }

  create(): void {
    mkdirSync(this.path, { recursive: true });
  }

  /** The command that enters the group and then becomes `argv`: not one instruction of it runs outside. */
  inside(argv: readonly string[]): string[] {
    return ['sh', '-c', 'echo 0 > "$0/cgroup.procs" && exec "$@"', this.path, ...argv];
  }

  /** Moves a process in that runs already; its children are born as members. */
  add(pid: number): void {
    writeFileSync(`${this.path}/cgroup.procs`, String(pid));
  }

  /** Kills every member, descendants included, at once (Linux 5.14). */
  kill(): void {
    if (existsSync(this.path)) writeFileSync(`${this.path}/cgroup.kill`, '1');
  }

  pids(): number[] {
    if (!existsSync(this.path)) return [];
    return readFileSync(`${this.path}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
  }

  /** Removes the group. Synchronous like everything that cleans up; killed members need a moment to leave it. */
  remove(): void {
    for (let tries = 0; existsSync(this.path); tries += 1) {
      try {
        rmdirSync(this.path);
      } catch (error) {
        if (tries === 100) throw error;
        pause(20);
      }
    }
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
