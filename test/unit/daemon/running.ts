import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { pino } from 'pino';
import { type Client, createClient } from '../../../ts/api/client.js';
import { unixTransport } from '../../../ts/api/unix.js';
import { runDaemon } from '../../../ts/daemon/daemon.js';
import type { Machine } from '../../../ts/daemon/machine.js';
import { type DaemonOptions, parseOptions } from '../../../ts/daemon/options.js';
import type { DataPlane } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane, MemoryKernel } from '../../../ts/dataplane/memory.js';
import { formatPrefix } from '../../../ts/model/address.js';

/** A machine that only writes down what it is asked. */
export class FakeMachine implements Machine {
  readonly calls: string[] = [];
  /** Prefixes with an unreachable route. */
  readonly covered = new Set<string>();
  readonly local = new Map([['11.0.0.2', 'eth0']]);
  #ready = () => {};
  readonly ready = new Promise<void>((resolve) => {
    this.#ready = resolve;
  });

  claim() {
    this.calls.push('claim');
    return { release: () => void this.calls.push('unclaim') };
  }

  cover(pools: Parameters<Machine['cover']>[0]): ReturnType<Machine['cover']> {
    const missing = pools.filter((pool) => !this.covered.has(formatPrefix(pool)));
    for (const pool of missing) this.covered.add(formatPrefix(pool));
    if (missing.length > 0) this.calls.push(`cover ${missing.map(formatPrefix).join(' ')}`);
    return missing;
  }

  uncover(pools: Parameters<Machine['cover']>[0]): void {
    for (const pool of pools) this.covered.delete(formatPrefix(pool));
    if (pools.length > 0) this.calls.push(`uncover ${pools.map(formatPrefix).join(' ')}`);
  }

  localAddresses(): ReadonlyMap<string, string> {
    return this.local;
  }

  outwardAddresses(): readonly string[] {
    return ['192.0.2.1'];
  }

  forgetResolver(device: string): void {
    this.calls.push(`forget ${device}`);
  }

  notify(message: string): void {
    this.calls.push(message);
    if (message === 'READY=1') this.#ready();
  }
}

/** The places of one daemon, which outlive its process as they would on a real machine. */
export class Home {
  readonly kernel = new MemoryKernel();
  readonly socket: string;
  readonly services: string;
  readonly options: DaemonOptions;

  constructor(t: ExecutionContext) {
    const directory = mkdtempSync(join(tmpdir(), 'vipd-daemon-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    this.socket = join(directory, 'run', 'vipd.sock');
    this.services = join(directory, 'services.yaml');
    const flags = { services: [this.services], stateDir: join(directory, 'state'), socket: this.socket };
    this.options = { ...parseOptions(undefined, flags).options, sourceWait: 60_000 };
    this.write('services: []\n');
  }

  write(text: string): void {
    writeFileSync(this.services, text);
  }
}

export interface Running {
  readonly client: Client;
  readonly machine: FakeMachine;
  readonly plane: MemoryDataPlane;
  /** Resolves when the daemon has ended, rejects when it could not start. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** The real daemon over a data plane in memory; it ends with the test at the latest. */
export function run(
  t: ExecutionContext,
  home: Home,
  over: { plane?: DataPlane; planes?: readonly DataPlane[]; options?: Partial<DaemonOptions> } = {},
): Running {
  const machine = new FakeMachine();
  const plane = new MemoryDataPlane(home.kernel);
  const signal = new AbortController();
  const modules = {
    planes: over.planes ?? [over.plane ?? plane],
    machine,
    logger: pino({ level: 'silent' }),
    version: '1.2.3',
    cgroup: '/sys/fs/cgroup/test',
    doctor: async () => ({ ok: true, checks: [] }),
  };
  const ended = runDaemon({ ...home.options, ...over.options }, modules, signal.signal);
  const stop = async () => {
    signal.abort();
    await ended;
  };
  t.teardown(() => stop().catch(() => undefined));
  return { client: createClient(unixTransport(home.socket)), machine, plane, ended, stop };
}

/** The daemon once it has told systemd that it is ready. */
export async function ready(t: ExecutionContext, home: Home, over: Parameters<typeof run>[2] = {}): Promise<Running> {
  const running = run(t, home, over);
  await Promise.race([running.machine.ready, running.ended]);
  return running;
}
