import type { BpfMap } from '../../libbpf/map.js';
import { addressBytes } from '../../model/address.js';
import { departureFirewall, forwardFirewall } from '../../netlink/firewall.js';
import { hasIpsecPolicies } from '../../netlink/ipsec.js';
import { links, type NetworkLink, watchLinks } from '../../netlink/links.js';
import { mainTable, type Route, routes } from '../../netlink/routes.js';
import { ruleTables } from '../../netlink/rules.js';
import { NetlinkSocket } from '../../netlink/socket.js';
import { faultOf } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import { nameMatches } from './hooks.js';

/** Whether packets between workloads pass by the host's network stack; `auto`: unless a firewall looks at them there. */
export type Redirect = 'auto' | 'on' | 'off';

export interface WorkloadsOptions {
  readonly redirect: Redirect;
  /** The same for packets of workloads to backends elsewhere; only where those between workloads pass it by. */
  readonly redirectRemote: Redirect;
  /** Name patterns of the workload interfaces. */
  readonly interfaces: readonly string[];
}

export interface WorkloadsModules {
  /** `workloads` of bpf/maps.h. */
  readonly map: BpfMap;
  /** Has the programs carry packets for so many seconds from now on; 0: no longer. `departing`: also out of the node. */
  readonly carry: (seconds: number, departing: boolean) => void;
  readonly logger?: Logger | undefined;
}

// linux/rtnetlink.h
const ROUTE_GROUPS = { 'IPv4 routes': 7, 'IPv6 routes': 11 } as const;
/** Without being told again the programs leave packets to the stack: nobody would tell them of a workload that moved. */
const CARRY_SECONDS = 30;
const RENEW_MS = 10_000;
/** Route changes come in bursts. */
const SETTLE_MS = 50;
/** As `workloads` of bpf/maps.h has room for. */
const ENTRIES = 16_384;

/** Keeps the kernel's list of which address is behind which workload interface, as routes and interfaces say. */
export class Workloads {
  readonly #stops: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #held = new Map<string, number>();
  #reason: string | undefined;
  #remoteReason: string | undefined;

  constructor(
    readonly options: WorkloadsOptions,
    readonly modules: WorkloadsModules,
  ) {}

  /** Addresses and prefixes that lead to workloads. */
  get carrying(): number {
    return [...this.#held.values()].filter((ifindex) => ifindex !== 0).length;
  }

  /** Why packets take the stack; undefined when they pass it by. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether packets to backends elsewhere pass it by as well. */
  get departing(): boolean {
    return this.#remoteReason === undefined && this.carrying > 0;
  }

  /** From now on follows routes and interfaces as they change; the firewall is looked at every 10 seconds. */
  start(): void {
    if (this.#stops.length > 0) return;
    this.#held = new Map(heldIn(this.modules.map));
    this.check();
    if (this.options.redirect === 'off') return;
    for (const [name, group] of Object.entries(ROUTE_GROUPS)) {
      const socket = new NetlinkSocket();
      this.#stops.push(() => socket.close());
      socket.listen(name, group, () => this.#soon());
    }
    const renewing = setInterval(() => this.check(), RENEW_MS).unref();
    this.#stops.push(
      watchLinks(() => this.#soon()),
      () => clearInterval(renewing),
      () => clearTimeout(this.#timer),
    );
  }

  /** What a daemon before this one has said no longer holds. */
  pause(): void {
    this.modules.carry(0, false);
  }

  check(): void {
    try {
      const reason = this.#whyNot();
      const remote = reason ?? this.#whyNotRemote();
      const wanted = reason === undefined ? workloadEntries(links(), routes(), this.options.interfaces) : new Map();
      if (wanted.size > ENTRIES) throw new Error(`${wanted.size} routes to workloads; there is room for ${ENTRIES}`);
      this.#say(reason, remote);
      if (reason !== undefined) this.modules.carry(0, false);
      this.#write(wanted);
      if (reason === undefined) this.modules.carry(wanted.size > 0 ? CARRY_SECONDS : 0, remote === undefined);
    } catch (error) {
      this.modules.carry(0, false);
      const { cause } = faultOf(error, 'workloads');
      this.#say(cause, cause);
    }
  }

  /** Packets take the stack from now on: nobody will notice changes, or another plane has to see them. */
  stop(): void {
    if (this.#stops.length > 0) this.modules.carry(0, false);
    for (const stop of this.#stops.splice(0)) stop();
    this.#timer = undefined; // or the changes after the next start would wait for this one for ever
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.check();
    }, SETTLE_MS);
  }

  #whyNot(): string | undefined {
    if (this.options.redirect === 'off') return 'switched off';
    return this.options.redirect === 'on' ? undefined : stackNeeded();
  }

  #whyNotRemote(): string | undefined {
    if (this.options.redirectRemote === 'off') return 'switched off';
    return this.options.redirectRemote === 'on' ? undefined : stackNeededRemote();
  }

  #say(reason: string | undefined, remote: string | undefined): void {
    if (reason !== this.#reason && this.options.redirect !== 'off') {
      this.modules.logger?.info({ reason: reason ?? 'none' }, 'packets between workloads: why they take the stack');
    }
    if (remote !== this.#remoteReason && remote !== reason) {
      this.modules.logger?.info({ reason: remote ?? 'none' }, 'packets to backends elsewhere: why they take the stack');
    }
    this.#reason = reason;
    this.#remoteReason = remote;
  }

  /** Removes first: an address that is elsewhere now must not be sent to where it was. */
  #write(wanted: ReadonlyMap<string, number>): void {
    for (const [key, ifindex] of this.#held) {
      if (wanted.get(key) === ifindex) continue;
      this.modules.map.delete(Buffer.from(key, 'hex'));
      this.#held.delete(key);
    }
    for (const [key, ifindex] of wanted) {
      if (this.#held.has(key)) continue;
      this.modules.map.set(Buffer.from(key, 'hex'), Buffer.from(Uint32Array.of(ifindex).buffer));
      this.#held.set(key, ifindex);
    }
  }
}

/** What of this node's set-up packets would miss if they went past the stack, in words; undefined: nothing. */
export function stackNeeded(): string | undefined {
  const firewall = forwardFirewall();
  if (firewall !== undefined) return `${firewall} would not see them`;
  const rule = [...ruleTables()].find((table) => !PLAIN_TABLES.includes(table));
  return rule === undefined ? undefined : `routing rules name table ${rule}, which may route them otherwise`;
}

/** What packets to backends elsewhere would miss, beside that. */
export function stackNeededRemote(): string | undefined {
  const needed = stackNeeded();
  if (needed !== undefined) return needed;
  const firewall = departureFirewall();
  if (firewall !== undefined) return `${firewall} would not see them`;
  return hasIpsecPolicies() ? 'IPsec policies would not see them' : undefined;
}

function heldIn(map: BpfMap): [string, number][] {
  const { keys, values, count } = map.dump();
  return Array.from({ length: count }, (_, i) => [
    keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES).toString('hex'),
    values.readUInt32LE(i * (values.length / Math.max(count, 1))),
  ]);
}

const KEY_BYTES = 20;

/**
 * Pure: the keys of `workloads`, in hex, and their values. A route without a router that leads to a workload's veth is
 * its address or its prefix; what inside of that leads elsewhere is named too, with 0.
 */
export function workloadEntries(
  present: readonly NetworkLink[],
  known: readonly Route[],
  patterns: readonly string[],
): Map<string, number> {
  const reachable = new Set(present.filter((link) => isWorkload(link, patterns)).map(({ index }) => index));
  const main = known.filter(({ table }) => table === mainTable || table === LOCAL_TABLE);
  const leads = main.filter((route) => leadsTo(route, reachable));
  const prefixes = leads.map(({ destination }) => bitsOf(destination));
  const entries = new Map<string, number>();
  // Higher metrics first, so that lower ones take their place; the local table is asked before the main one.
  const ordered = [...main].sort((a, b) => a.table - b.table || b.metric - a.metric);
  for (const route of ordered) {
    const bits = bitsOf(route.destination);
    if (!prefixes.some((prefix) => bits.startsWith(prefix))) continue;
    entries.set(keyOf(route.destination), leadsTo(route, reachable) ? route.ifindex! : 0);
  }
  return entries;
}

const LOCAL_TABLE = 255;
/** Local, main and default. */
const PLAIN_TABLES = [0, 253, mainTable, LOCAL_TABLE];

/** The other end of a veth in another namespace: the only kind of interface that can be handed a packet like that. */
function isWorkload({ kind, name, up, peerElsewhere }: NetworkLink, patterns: readonly string[]): boolean {
  return kind === 'veth' && up && peerElsewhere === true && nameMatches(patterns, name);
}

function leadsTo({ type, viaRouter, ifindex, destination }: Route, reachable: ReadonlySet<number>): boolean {
  if (type !== 'unicast' || viaRouter || ifindex === undefined || !reachable.has(ifindex)) return false;
  return destination.bits > 0 && !/^(fe[89ab]|169\.254\.)/.test(destination.address); // those are of every link
}

function keyOf({ address, bits }: Route['destination']): string {
  const mapped = address.includes(':') ? bits : bits + 96;
  return Buffer.concat([Buffer.from(Uint32Array.of(mapped).buffer), addressBytes(address)]).toString('hex');
}

/** The prefix as a string of 0 and 1. */
function bitsOf({ address, bits }: Route['destination']): string {
  const all = [...addressBytes(address)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return all.slice(0, address.includes(':') ? bits : bits + 96);
}
