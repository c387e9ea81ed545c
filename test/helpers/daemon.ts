import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '../../ts/api/client.js';
import { unixTransport } from '../../ts/api/unix.js';
import { formatEndpoint } from '../../ts/model/address.js';
import type { ServiceInput } from '../../ts/model/schema.js';
import { Child } from '../../ts/quickstart/child.js';
import { attempt } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { type Lab, pools } from './lab.js';

// Under sudo the PATH may lack node.
process.env.VIPD_NODE ??= process.execPath;

const vipd = fileURLToPath(new URL('../../../packaging/bin/vipd', import.meta.url));

/** The real daemon on a lab's node, with all it owns inside the lab. Programs and maps outlive it, as they should. */
export class Daemon {
  readonly client: Client;
  child: Child | undefined;
  /** Of another version, for the next start. */
  executable = vipd;

  private constructor(
    private readonly lab: Lab,
    private readonly flags: readonly string[],
  ) {
    this.client = createClient(unixTransport(`${lab.directory}/vipd.sock`));
  }

  /**
   * Starts it with these services and waits until the kernel holds them. `flags` come after the helper's own; with
   * `--tc` among them they alone say which interfaces are taken.
   */
  static async start(lab: Lab, services: readonly ServiceInput[], ...flags: readonly string[]): Promise<Daemon> {
    const daemon = await Daemon.begin(lab, services, ...flags);
    await daemon.holds(services);
    return daemon;
  }

  /** The same for where it may be that nothing can be programmed: waits for an answer only. */
  static async begin(lab: Lab, services: readonly ServiceInput[], ...flags: readonly string[]): Promise<Daemon> {
    const daemon = new Daemon(lab, flags);
    // No `uninstall`, which costs a second: all it would remove goes with the lab.
    lab.beforeRemoval(() => daemon.stop());
    daemon.write(services);
    await daemon.restart();
    return daemon;
  }

  /** Replaces the services file and waits until the kernel holds what it says. */
  async serve(services: readonly ServiceInput[]): Promise<void> {
    this.write(services);
    await this.holds(services);
  }

  /** Waits until the kernel holds all of these and nothing else, each with every backend it names. */
  async holds(services: readonly ServiceInput[]): Promise<void> {
    await until(`programming of ${services.length} services`, 120_000, async () => {
      const status = await this.client.status();
      if (!status.reconcile.converged || status.vips !== services.length) return false;
      const { vips } = await this.client.vips();
      const byName = new Map(vips.map((vip) => [vip.name, vip]));
      if (!services.every((one) => isHeld(one, byName.get(one.name)))) return false;
      const drifts = await Promise.all(services.slice(0, 10).map(({ name }) => this.driftOf(name)));
      return drifts.every((drift) => drift.length === 0);
    });
  }

  /** Waits until at least one VIP could not be programmed and gives all of these. */
  failures(): Promise<readonly Vip[]> {
    return until('a VIP that could not be programmed', 20_000, async () => {
      const { vips } = await this.client.vips();
      const failed = vips.filter(({ programmed }) => programmed === 'failed');
      return failed.length > 0 && failed;
    });
  }

  /** Waits until it has found, and repaired, what somebody else changed since it was started. */
  async drifts(): Promise<void> {
    await until('the finding of drift', 20_000, async () => {
      const { drift, converged } = (await this.client.status()).reconcile;
      return drift > 0 && converged;
    });
  }

  /** How the kernel differs now from what is desired of a service. */
  async driftOf(name: string): Promise<readonly string[]> {
    return (await this.client.explain({ key: name })).drift;
  }

  /** Starts the process, again if it has ended, and waits until it answers. `flags` win over those it was made with. */
  async restart(...flags: readonly string[]): Promise<void> {
    const child = Child.start([...this.command(), ...flags]);
    this.child = child;
    await until('an answer of the daemon', 120_000, async () => {
      if (child.result !== undefined) throw new Error(`vipd ended with ${child.result}: ${child.output}`);
      return this.client.status().catch(() => undefined);
    });
  }

  /** Ends the process; what it programmed stays. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.child?.kill(signal);
    await this.child?.exited;
  }

  /** A second process with the same options. */
  another(): Child {
    return Child.start(this.command());
  }

  private command(...verb: readonly string[]): string[] {
    const { directory, bpffs, cgroup } = this.lab;
    const hooks = this.flags.includes('--tc') ? [] : ['--tc', 'w*', '--xdp', 'up*', '--xdp-mode', 'native'];
    const options = [
      ...['--services', this.servicesDirectory, '--state-dir', `${directory}/state`],
      ...['--socket', `${directory}/vipd.sock`, '--bpffs', `${bpffs}/vipd`],
      ...['--cgroup', cgroup.path, ...hooks, '--pool', pools.v4, '--pool', pools.v6],
    ];
    return this.lab.node.inside([this.executable, ...verb, ...options, ...this.flags]);
  }

  private async stop(): Promise<void> {
    if (this.child?.result === undefined) await this.child?.stop();
  }

  /** Ends the process if it runs and removes everything from the kernel. */
  async uninstall(): Promise<boolean> {
    await this.stop();
    return attempt(this.command('uninstall'));
  }

  private get servicesDirectory(): string {
    return `${this.lab.directory}/services.d`;
  }

  /** Replaces the services file and does not wait. */
  write(services: readonly ServiceInput[]): void {
    mkdirSync(this.servicesDirectory, { recursive: true });
    const file = `${this.servicesDirectory}/test.json`;
    writeFileSync(`${file}.new`, JSON.stringify({ services }));
    renameSync(`${file}.new`, file);
  }
}

type Vip = Awaited<ReturnType<Client['vip']>>;

function isHeld(service: ServiceInput, vip: Vip | undefined): boolean {
  if (vip?.programmed !== 'yes' || vip.backends.some(({ state }) => state === 'pending')) return false;
  const wanted = service.backends.map((one) => (typeof one === 'string' ? { address: one, weight: 1 } : one));
  const held = new Map(vip.backends.map((backend) => [formatEndpoint(backend), backend.weight]));
  return wanted.length === held.size && wanted.every(({ address, weight = 1 }) => held.get(address) === weight);
}
