import { links, type NetworkLink } from '../../netlink/links.js';
import { lookUp, type Neighbour, neighbours } from '../../netlink/neighbours.js';
import { type Path, pathTo } from '../../netlink/path.js';
import { watchPaths } from '../../netlink/watch.js';
import { faultOf } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import { type Interfaces, nameMatches } from './hooks.js';

/** The way from this node to an address. */
export interface Way {
  /** Of this node itself, or of a workload on it: what goes there passes this node on its way back, too. */
  readonly local: boolean;
  /** Reached without a router. */
  readonly onLink: boolean;
  /** The address itself, or the router's: whose MAC address counts. */
  readonly gateway: string;
  /** What this node sends from. */
  readonly source: string | undefined;
  readonly ifindex: number;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  /** Absent while one of them is not known. */
  readonly macs?: { readonly gateway: Uint8Array; readonly own: Uint8Array };
  /** Whether XDP can send to that interface from another one. */
  readonly redirectable: boolean;
}

/** Where a data plane learns how packets leave its node. */
export interface Surroundings {
  /** Undefined where no route leads. As of the last change that was told. */
  wayTo(address: string): Way | undefined;
  /** Calls the listener soon after something changed, until the returned function is called. */
  watch(listener: () => void): () => void;
}

/** Changes come in swarms: those within this time are told as one. Milliseconds. */
const SETTLE_MS = 100;
/** How often next hops that were not confirmed of late are asked for; the kernel forgets what it does not use itself. */
const REFRESH_MS = 10_000;
/** Kinds of interfaces whose other end is on this node. */
const WORKLOAD_KINDS = new Set(['veth', 'netkit', 'tun', 'dummy', 'macvlan', 'ipvlan', 'ifb']);
/** Kinds that lead off it, also as a port of a bridge. */
const OUTWARD_KINDS = new Set(['device', 'bond', 'team', 'vlan', 'vxlan', 'geneve']);

/** The kernel's routes and neighbours, looked at again whenever it tells of a change. */
export class KernelSurroundings implements Surroundings {
  readonly #ways = new Map<string, Way | undefined>();
  #links: ReadonlyMap<number, NetworkLink> | undefined;
  #neighbours: ReadonlyMap<string, Neighbour> | undefined;

  constructor(
    readonly interfaces: Interfaces,
    readonly logger?: Logger,
  ) {}

  wayTo(address: string): Way | undefined {
    if (!this.#ways.has(address)) this.#ways.set(address, this.#find(address));
    return this.#ways.get(address);
  }

  watch(listener: () => void): () => void {
    let settling: NodeJS.Timeout | undefined;
    const changed = () => {
      settling ??= setTimeout(() => {
        settling = undefined;
        this.#forget();
        listener();
      }, SETTLE_MS);
    };
    const stop = watchPaths(changed);
    const refreshing = setInterval(() => this.#confirm(), REFRESH_MS).unref();
    return () => {
      stop();
      clearTimeout(settling);
      clearInterval(refreshing);
    };
  }

  #forget(): void {
    this.#ways.clear();
    this.#links = undefined;
    this.#neighbours = undefined;
  }

  #find(address: string): Way | undefined {
    const path = pathTo(address);
    if (path === undefined) return undefined;
    this.#links ??= new Map(links().map((link) => [link.index, link]));
    const link = this.#links.get(path.ifindex);
    if (link === undefined) return undefined;
    const gateway = path.gateway ?? address;
    const local = path.local || (path.gateway === undefined && this.#isWorkload(link));
    const mac = local ? undefined : this.#macOf(path.ifindex, gateway);
    return {
      local,
      onLink: path.gateway === undefined,
      gateway,
      source: path.source,
      ifindex: path.ifindex,
      mtu: mtuOf(path, link),
      redirectable: link.xdp !== undefined && link.xdp.mode !== 'generic',
      ...(mac && link.mac ? { macs: { gateway: mac, own: link.mac } } : {}),
    };
  }

  #isWorkload({ index, name, kind }: NetworkLink): boolean {
    if (nameMatches(this.interfaces.xdp, name)) return false;
    if (nameMatches(this.interfaces.tc, name) || WORKLOAD_KINDS.has(kind)) return true;
    const ports = [...(this.#links?.values() ?? [])].filter(({ master }) => master === index);
    return kind === 'bridge' && !ports.some((port) => OUTWARD_KINDS.has(port.kind));
  }

  #macOf(ifindex: number, address: string): Uint8Array | undefined {
    this.#neighbours ??= new Map(neighbours().map((one) => [`${one.ifindex} ${one.address}`, one]));
    const known = this.#neighbours.get(`${ifindex} ${address}`);
    if (known?.mac === undefined) this.#ask(ifindex, address);
    return known?.mac;
  }

  /** Next hops that XDP uses and nobody else are kept known. */
  #confirm(): void {
    const hops = new Set([...this.#ways.values()].flatMap((way) => (way && !way.local ? hopOf(way) : [])));
    if (hops.size === 0) return;
    try {
      const fresh = new Set(neighbours().flatMap((one) => (one.fresh ? `${one.ifindex} ${one.address}` : [])));
      for (const hop of hops) {
        const [ifindex, address] = hop.split(' ') as [string, string];
        if (!fresh.has(hop)) this.#ask(Number(ifindex), address);
      }
    } catch (error) {
      this.logger?.warn({ fault: faultOf(error, 'neighbours') }, 'next hops not confirmed');
    }
  }

  #ask(ifindex: number, address: string): void {
    try {
      lookUp(ifindex, address);
    } catch (error) {
      this.logger?.warn({ fault: faultOf(error, `neighbour ${address}`) }, 'not looked up');
    }
  }
}

function hopOf({ ifindex, gateway }: Way): string {
  return `${ifindex} ${gateway}`;
}

function mtuOf({ mtu }: Path, link: NetworkLink): number {
  return Math.min(mtu === undefined || mtu === 0 ? link.mtu : mtu, link.mtu, 0xffff);
}
