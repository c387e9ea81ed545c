import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup, cgroupRoot } from '../../ts/quickstart/cgroup.js';
import { attempt, run } from '../../ts/quickstart/command.js';
import { Namespace } from '../../ts/quickstart/namespace.js';
import { packageRoot } from '../../ts/util/paths.js';

/** The addresses that belong to vipd in tests; the unreachable routes cover exactly these. */
export const pools = { v4: '11.0.0.0/8', v6: 'fd01:c::/64' } as const;

const passObject = join(packageRoot, 'out/test/pass.bpf.o');
const lastResort = 20_001;
const prefix = 'vipd-test-';
let made = 0;

/** Whoever uses a lab: a test, or a benchmark. */
export interface Owner {
  /** Has `undo` called when all is over, the last registered first. */
  teardown(undo: () => Promise<void>): void;
}

/** A namespace linked to the node: a container, or with a link named `up…` a machine outside. */
export interface Site {
  readonly namespace: Namespace;
  /** The node's end of the link, inside the node's namespace. */
  readonly link: string;
  readonly v4: string;
  readonly v6: string;
  readonly nodeV4: string;
  readonly nodeV6: string;
}

/**
 * A network of its own for one test: a namespace that plays the node, where the daemon runs, and any number of sites
 * around it. Nothing in it is linked to the machine's own interfaces. All of it is gone when the test ends.
 */
export class Lab {
  readonly id = `${prefix}${process.pid}-${++made}`;
  readonly node = new Namespace(`${this.id}-node`);
  /** Members meet the sock hook. */
  readonly cgroup = new Cgroup(this.id);
  /** For sockets, states and configurations; a bpf file system of its own is mounted at `bpffs`. */
  readonly directory = `/run/${this.id}`;
  readonly bpffs = `${this.directory}/bpf`;
  private readonly sites: Site[] = [];
  private readonly undo: (() => unknown)[] = [];

  private constructor(private readonly before: number) {}

  /** @param before sites that another lab has, where the two are joined */
  static create(owner: Owner, before = 0): Lab {
    reapLeftovers();
    const lab = new Lab(before);
    owner.teardown(() => lab.remove());
    lab.build();
    return lab;
  }

  /** Adds a site; a workload unless `kind` says it is reached through an uplink. */
  site(name: string, kind: 'workload' | 'uplink' = 'workload'): Site {
    const n = this.before + this.sites.length + 1;
    const site: Site = {
      namespace: new Namespace(`${this.id}-${name}`),
      link: `${kind === 'uplink' ? 'up' : 'w'}${n}`,
      v4: `10.77.${n}.2`,
      v6: `fd77:${n}::2`,
      nodeV4: `10.77.${n}.1`,
      nodeV6: `fd77:${n}::1`,
    };
    this.sites.push(site);
    this.connect(site);
    if (kind === 'uplink') likeAWire(site.namespace);
    return site;
  }

  /** Has `undo` called before the network goes away, the last registered first. */
  beforeRemoval(undo: () => unknown): void {
    this.undo.unshift(undo);
  }

  private build(): void {
    mkdirSync(this.bpffs, { recursive: true });
    run(['mount', '-t', 'bpf', 'bpf', this.bpffs]);
    this.cgroup.create();
    createCovered(this.node);
    this.node.sysctl('ipv4/ip_forward', 1);
    this.node.sysctl('ipv6/conf/all/forwarding', 1);
    // Links made from now on take what reply paths bring them, whatever the machine's defaults are.
    for (const scope of ['all', 'default']) this.node.sysctl(`ipv4/conf/${scope}/rp_filter`, 0);
  }

  private connect({ namespace, link, v4, v6, nodeV4, nodeV6 }: Site): void {
    createCovered(namespace);
    this.node.ip(
      `link add ${link} type veth peer name eth0 netns ${namespace.name}`,
      `address add ${nodeV4}/30 dev ${link}`,
      `address add ${nodeV6}/64 dev ${link} nodad`,
      `link set ${link} up`,
    );
    namespace.ip(
      `address add ${v4}/30 dev eth0`,
      `address add ${v6}/64 dev eth0 nodad`,
      'link set eth0 up',
      `route add default via ${nodeV4}`,
      `route add default via ${nodeV6}`,
      `route add ${pools.v4} via ${nodeV4} metric 1`,
      `route add ${pools.v6} via ${nodeV6} metric 1`,
    );
  }

  private async remove(): Promise<void> {
    for (const undo of this.undo) await undo();
    discard(this.id);
  }
}

/** The unreachable routes come before any link, so that at no time a packet for a VIP can go anywhere else. */
function createCovered(namespace: Namespace): void {
  namespace.create();
  namespace.ip(...Object.values(pools).map((pool) => `route add unreachable ${pool} metric ${lastResort}`));
  namespace.sysctl('ipv6/conf/default/accept_dad', 0);
}

/** Removes what a lab of this id has made, whoever made it and however far it came. */
function discard(id: string): void {
  const cgroup = new Cgroup(id);
  cgroup.kill();
  for (const name of labelled('/run/netns', id)) new Namespace(name).remove();
  cgroup.remove();
  attempt(['umount', `/run/${id}/bpf`]);
  rmSync(`/run/${id}`, { recursive: true, force: true });
}

/** A test run that was killed left its labs behind; their names carry its process id. */
function reapLeftovers(): void {
  if (made > 0) return;
  const places = ['/run', '/run/netns', cgroupRoot()];
  const ids = places
    .flatMap((place) => labelled(place, prefix))
    .flatMap((name) => /^vipd-test-\d+-\d+/.exec(name) ?? []);
  for (const id of new Set(ids)) {
    if (!existsSync(`/proc/${id.split('-')[2]}`)) discard(id);
  }
}

function labelled(directory: string, start: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => name === start || name.startsWith(start.replace(/-?$/, '-')));
}

/**
 * A card needs none of this: packets on a wire have their checksums, but leave a veth without; and a veth takes what XDP
 * sends back only while its own end has a program too.
 */
function likeAWire(namespace: Namespace): void {
  run(namespace.inside(['ethtool', '-K', 'eth0', 'tx', 'off']));
  namespace.ip(`link set eth0 xdpdrv object ${passObject} section xdp.frags`);
}
