import { existsSync } from 'node:fs';
import { attempt, run } from './command.js';

const batch = ['ip', '-batch', '-'];

/** Runs `ip` commands in order, stopping at the first that fails. @throws VipdError COMMAND_FAILED */
export function ip(...commands: string[]): void {
  run(batch, `${commands.join('\n')}\n`);
}

/** A named network namespace: stands for a container, or in tests for a whole node. */
export class Namespace {
  constructor(readonly name: string) {}

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  /** @throws VipdError COMMAND_FAILED, also when the name is taken */
  create(): void {
    run(['ip', 'netns', 'add', this.name]);
    this.ip('link set lo up');
  }

  /** Runs `ip` commands in the namespace, in order, stopping at the first that fails. @throws VipdError COMMAND_FAILED */
  ip(...commands: string[]): void {
    run(this.inside(batch), `${commands.join('\n')}\n`);
  }

  /** Sets a value under /proc/sys/net, e.g. `ipv4/ip_forward`. @throws VipdError COMMAND_FAILED */
  sysctl(key: string, value: number | string): void {
    run(this.inside(['tee', `/proc/sys/net/${key}`]), String(value));
  }

  /** The command that runs `argv` inside. Not `ip netns exec`: that hides /sys/fs/cgroup and bpffs from it. */
  inside(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv];
  }

  /** Kills whatever still runs inside and removes the namespace with all its links. */
  remove(): void {
    if (!this.exists) return;
    for (const pid of this.pids()) attempt(['kill', '-KILL', String(pid)]);
    attempt(['ip', 'netns', 'delete', this.name]);
  }

  private pids(): number[] {
    return run(['ip', 'netns', 'pids', this.name]).split('\n').filter(Boolean).map(Number);
  }
}
