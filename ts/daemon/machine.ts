import { existsSync } from 'node:fs';
import { isBpffs, wouldBeOnBpffs } from '../libbpf/features.js';
import type { Prefix } from '../model/address.js';
import { mountBpffs, sdNotify } from '../native/system.js';
import { addresses } from '../netlink/addresses.js';
import { removeAddress, removeDevice } from '../netlink/devices.js';
import { links } from '../netlink/links.js';
import { addUnreachableRoute, mainTable, removeUnreachableRoute, routes } from '../netlink/routes.js';
import { type Lock, lockDirectory } from './lock.js';

/** What the daemon needs of the machine beside a data plane. */
export interface Machine {
  /** Makes this process the one daemon. @throws VipdError DAEMON_RUNNING, BPFFS_UNUSABLE */
  claim(): Lock;
  /**
   * From now on no packet for an address of these prefixes leaves the machine unless somebody routes it on purpose.
   * Returns those that were not covered before.
   */
  cover(pools: readonly Prefix[]): readonly Prefix[];
  uncover(pools: readonly Prefix[]): void;
  /** The machine's own addresses, canonical, and the interface of each. */
  localAddresses(): ReadonlyMap<string, string>;
  /** Addresses others know this machine by: those of the interfaces with a default route. */
  outwardAddresses(): readonly string[];
  /** Takes the resolver's device away, and those of its addresses that the loopback interface has. */
  forgetResolver(device: string, listen: readonly string[]): void;
  /** Tells the service manager, see sd_notify(3). */
  notify(message: string): void;
}

/** Where the kernel's own documentation mounts it, and nobody expects anything else. */
const bpffsMount = '/sys/fs/bpf';

/** Higher loses: any other route to a prefix of the same length wins, so that an operator can route a pool. */
const coverMetric = 20_000;

/** The machine this process runs on, as its network namespace shows it. */
export class HostMachine implements Machine {
  constructor(private readonly options: { readonly bpffs: string; readonly stateDir: string }) {}

  /** By the pins, which no two may share; where there can be none, by the state. */
  claim(): Lock {
    const { bpffs, stateDir } = this.options;
    if (bpffs.startsWith(`${bpffsMount}/`) && existsSync(bpffsMount) && !isBpffs(bpffsMount)) mountQuietly(bpffsMount);
    return lockDirectory(wouldBeOnBpffs(bpffs) ? bpffs : stateDir);
  }

  cover(pools: readonly Prefix[]): readonly Prefix[] {
    return pools.filter((pool) => addUnreachableRoute(pool, coverMetric));
  }

  uncover(pools: readonly Prefix[]): void {
    for (const pool of pools) removeUnreachableRoute(pool, coverMetric);
  }

  localAddresses(): ReadonlyMap<string, string> {
    const names = new Map(links().map((link) => [link.index, link.name]));
    return new Map(addresses().map(({ address, ifindex }) => [address, names.get(ifindex) ?? `interface ${ifindex}`]));
  }

  outwardAddresses(): readonly string[] {
    const found = routes({ type: 'unicast', table: mainTable }).filter(({ destination }) => destination.bits === 0);
    const outward = new Set(found.map(({ ifindex }) => ifindex));
    return addresses()
      .filter(({ ifindex, scope }) => outward.has(ifindex) && scope === 'global')
      .map(({ address }) => address);
  }

  forgetResolver(device: string, listen: readonly string[]): void {
    removeDevice(device);
    const loopbacks = new Set(links().flatMap(({ kind, index }) => (kind === 'loopback' ? [index] : [])));
    for (const { address, ifindex, scope } of addresses()) {
      if (loopbacks.has(ifindex) && scope === 'global' && listen.includes(address)) removeAddress(ifindex, address);
    }
  }

  notify(message: string): void {
    sdNotify(message);
  }
}

/** That there is none is seen, and said, by the data plane that needs it. */
function mountQuietly(path: string): void {
  try {
    mountBpffs(path);
  } catch {
    // A container may not mount.
  }
}
