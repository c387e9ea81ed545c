import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '../api/client.js';
import { unixTransport } from '../api/unix.js';
import type { ServiceInput } from '../model/schema.js';
import { VipdError } from '../util/errors.js';
import { packageRoot } from '../util/paths.js';
import { Cgroup } from './cgroup.js';
import { Child } from './child.js';
import { attempt, run } from './command.js';
import { Namespace } from './namespace.js';
import { until } from './until.js';

const vipd = join(packageRoot, 'packaging/bin/vipd');
const pool = '11.0.0.0/8';

/** Of the nodes, each behind a wire of its own. */
const network = '10.78.0.0/16';

/** This machine's own end on the switch, where it has one. */
export const machine = { link: 'vipd-qs-hub', address: '10.78.255.1' };

/** The first address vipd answers DNS on. */
const resolver = '198.51.100.1';
const bound = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

export interface FleetOptions {
  /** In front of the names of all that is made; short, and one fleet of a machine has it. */
  readonly id: string;
  readonly size: number;
}

/** Several nodes on this machine: a namespace each, all on one switch, every node with a daemon of its own. */
export class Fleet {
  readonly directory: string;
  readonly nodes: readonly FleetNode[];
  readonly #switch: Namespace;

  private constructor(readonly options: FleetOptions) {
    this.directory = `/run/${options.id}`;
    this.#switch = new Namespace(`${options.id}-switch`);
    this.nodes = Array.from({ length: options.size }, (_, i) => new FleetNode(this, i + 1));
  }

  /** The namespaces and their network, and the key of the cluster; no daemon yet. @throws VipdError COMMAND_FAILED */
  static create(options: FleetOptions): Fleet {
    const fleet = new Fleet(options);
    fleet.remove();
    mkdirSync(fleet.bpffs, { recursive: true });
    run(['mount', '-t', 'bpf', 'bpf', fleet.bpffs]);
    fleet.#switch.create();
    fleet.#switch.ip('link add br0 type bridge', 'link set br0 up', 'link add br1 type bridge', 'link set br1 up');
    for (const node of fleet.nodes) node.connect(fleet.#switch);
    run([vipd, '--cluster-key', fleet.keyFile, 'cluster', 'init']);
    return fleet;
  }

  get bpffs(): string {
    return `${this.directory}/bpf`;
  }

  get keyFile(): string {
    return `${this.directory}/cluster.key`;
  }

  /** Moves these nodes to a second switch that no wire leads to; without an argument all are together again. */
  split(away: readonly FleetNode[] = []): void {
    const far = new Set(away);
    const lines = this.nodes.map((node) => `link set ${node.port} master ${far.has(node) ? 'br1' : 'br0'}`);
    this.#switch.ip(...lines);
  }

  /** The wire of a node carries nothing any more, or again: what it has connected is not told. */
  blackHole(node: FleetNode, on: boolean): void {
    this.#switch.ip(`link set ${node.port} ${on ? 'down' : 'up'}`);
  }

  /** Gives this machine itself an end on the switch, so that nodes reach what runs outside of them. @throws VipdError NETWORK_TAKEN */
  joinMachine(): void {
    const taken = run(['ip', 'route', 'show', 'to', 'root', network]).trim();
    const cause = `this machine has a route of its own into it: ${taken.split('\n')[0]}`;
    if (taken !== '') throw new VipdError({ code: 'NETWORK_TAKEN', object: network, cause });
    const { name: hub } = this.#switch;
    run(['ip', 'link', 'add', machine.link, 'type', 'veth', 'peer', 'name', 'machine', 'netns', hub]);
    this.#switch.ip('link set machine master br0', 'link set machine up');
    run(['ip', 'address', 'add', `${machine.address}/16`, 'dev', machine.link]);
    run(['ip', 'link', 'set', machine.link, 'up']);
  }

  /** Everything is gone, however far it came. Synchronous, because it may run while the process exits. */
  remove(): void {
    attempt(['ip', 'link', 'delete', machine.link]);
    for (const node of this.nodes) node.remove();
    this.#switch.remove();
    // Nothing that the daemons pinned outlives it; lazily, for one that was killed this moment may still have it open.
    attempt(['umount', '--lazy', this.bpffs]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One node of a fleet. */
export class FleetNode {
  readonly name: string;
  readonly address: string;
  readonly namespace: Namespace;
  /** Its members meet the sock hook of this node's daemon. */
  readonly clients: Cgroup;
  readonly directory: string;
  readonly socket: string;
  readonly client: Client;
  child: Child | undefined;
  /** Added to the daemon's from its next start on. */
  environment: NodeJS.ProcessEnv = {};
  readonly #others: Child[] = [];

  constructor(
    private readonly fleet: Fleet,
    readonly number: number,
  ) {
    const { id } = fleet.options;
    this.name = `node${number}`;
    this.address = `10.78.${number >> 8}.${number & 255}`;
    this.namespace = new Namespace(`${id}-${this.name}`);
    this.clients = new Cgroup(`${id}-${this.name}`);
    this.directory = `/run/${id}/${this.name}`;
    this.socket = `${this.directory}/vipd.sock`;
    this.client = createClient(unixTransport(this.socket));
  }

  /** The end of its wire in the switch. */
  get port(): string {
    return `p${this.number}`;
  }

  connect(hub: Namespace): void {
    mkdirSync(`${this.directory}/services`, { recursive: true });
    this.clients.create();
    this.namespace.create();
    this.namespace.ip(`route add unreachable ${pool} metric 20001`);
    hub.ip(`link add ${this.port} type veth peer name eth0 netns ${this.namespace.name}`);
    hub.ip(`link set ${this.port} master br0`, `link set ${this.port} up`);
    this.namespace.ip(`address add ${this.address}/16 dev eth0`, 'link set eth0 up');
  }

  /** What this node defines; may change while it runs. */
  define(services: readonly ServiceInput[]): void {
    const file = `${this.directory}/services/node.json`;
    writeFileSync(`${file}.new`, JSON.stringify({ services }));
    renameSync(`${file}.new`, file);
  }

  /** Starts the daemon; `flags` win over those of the fleet. */
  start(...flags: readonly string[]): void {
    this.child = Child.start(this.namespace.inside([vipd, ...this.flags(), ...flags]), {
      env: { VIPD_NODE: process.execPath, ...this.environment },
    });
  }

  /** Starts the daemon and waits until it answers. */
  async up(...flags: readonly string[]): Promise<void> {
    this.start(...flags);
    await until(`an answer of ${this.name}`, 60_000, () => {
      if (this.child?.result !== undefined)
        throw new Error(`vipd ended with ${this.child.result}: ${this.child.output}`);
      return this.client.status().catch(() => undefined);
    });
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.child?.kill(signal);
    await this.child?.exited;
  }

  /** Runs a program on this node until the fleet is removed, out of reach of the sock hook. */
  run(argv: readonly string[]): Child {
    const child = Child.start(this.namespace.inside(argv));
    this.#others.push(child);
    return child;
  }

  /** The node as a whole dies: its daemon and its programs, at once. */
  crash(): void {
    for (const child of [this.child, ...this.#others]) child?.kill('SIGKILL');
  }

  /** The command that runs `argv` as a process of this node that meets the sock hook. */
  inside(argv: readonly string[]): string[] {
    return this.clients.inside(this.namespace.inside(argv));
  }

  /** Likewise, and it asks this node's resolver for names. */
  named(argv: readonly string[]): string[] {
    const file = `${this.directory}/resolv.conf`;
    writeFileSync(file, `nameserver ${resolver}\n`);
    return this.inside(['unshare', '--mount', 'sh', '-c', bound, file, ...argv]);
  }

  /** Makes a program of {@link named}: it takes a command as its arguments. */
  writeEntrance(): string {
    const file = `${this.directory}/enter`;
    const quoted = this.named([]).map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    writeFileSync(file, `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`, { mode: 0o755 });
    return file;
  }

  flags(): string[] {
    const seeds = this.fleet.nodes.slice(0, 3).flatMap((node) => ['--cluster-seed', `${node.address}:61420`]);
    return [
      ...['--services', `${this.directory}/services`, '--state-dir', `${this.directory}/state`],
      ...['--socket', this.socket, '--bpffs', `${this.fleet.bpffs}/${this.name}`, '--cgroup', this.clients.path],
      ...['--pool', pool, '--max-vips', '1024', '--max-backends', '8192', '--max-flows', '4096'],
      ...['--cluster-key', this.fleet.keyFile, '--cluster-name', this.name, ...seeds],
      ...['--cluster-listen', `${this.address}:61420`],
    ];
  }

  remove(): void {
    this.crash();
    this.clients.kill();
    this.namespace.remove();
    this.clients.remove();
  }
}
