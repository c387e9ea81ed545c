import { join } from 'node:path';
import type { Client } from '../api/client.js';
import { VipdError } from '../util/errors.js';
import { packageRoot } from '../util/paths.js';
import { Child } from './child.js';
import { attempt } from './command.js';
import { clients, directory, ours, pins, socket } from './places.js';
import { pool, resolver } from './topology.js';
import { until } from './until.js';

const vipd = join(packageRoot, 'packaging/bin/vipd');
const vipctl = join(packageRoot, 'packaging/bin/vipctl');

// Under sudo the PATH may lack node.
process.env.VIPD_NODE ??= process.execPath;

const flags = [
  ...['--services', join(packageRoot, 'examples/quickstart.yaml'), '--pool', pool],
  ...['--socket', socket, '--bpffs', pins, '--state-dir', `${directory}/state`],
  ...['--cgroup', clients.path, '--tc', 'vipd-qs*'],
  ...['--dns', 'true', '--dns-listen', resolver, '--dns-device', 'vipd-dns-qs'],
];

/** The vipd of the quickstart: an ordinary daemon that keeps everything in the quickstart's own places. */
export class Daemon {
  /** Resolves at its end to what it said last. */
  readonly ended: Promise<string>;
  private readonly client = connect();

  private constructor(private readonly child: Child) {
    this.ended = child.exited.then((result) => `ended with ${result}: ${child.output.trim()}`);
  }

  /** Starts it; what it needs it may find later. */
  static start(): Daemon {
    return new Daemon(Child.start(ours.inside([vipd, ...flags])));
  }

  /** Waits until the backend at `address`, or all of them, are in this state, in the kernel as well. */
  async sees(state: 'active' | 'down', address?: string): Promise<void> {
    await until(`state "${state}" of ${address ?? 'all backends'}`, 60_000, async () => {
      if (this.child.result !== undefined) throw failed(await this.ended);
      const client = await this.client;
      const explained = await client.explain({ key: 'web' }).catch(() => undefined);
      const concerned = explained?.vip.backends.filter((one) => address === undefined || one.address === address);
      return explained?.drift.length === 0 && concerned?.every((one) => one.state === state);
    });
  }

  stop(): Promise<unknown> {
    return this.child.stop();
  }
}

/** What a client needs takes time to load, meanwhile the daemon starts. */
async function connect(): Promise<Client> {
  const [{ createClient }, { unixTransport }] = await Promise.all([
    import('../api/client.js'),
    import('../api/unix.js'),
  ]);
  return createClient(unixTransport(socket));
}

/** The command that runs `argv` where the sock hook sees it. */
export function exec(argv: readonly string[]): string[] {
  return [vipctl, 'exec', '--socket', socket, '--', ...argv];
}

/** Removes from the kernel what such a daemon left there. */
export function uninstall(): void {
  attempt([vipd, 'uninstall', ...flags]);
}

function failed(cause: string): VipdError {
  return new VipdError({ code: 'DAEMON_FAILED', object: 'daemon', cause });
}
