import { statSync } from 'node:fs';
import { join } from 'node:path';
import { BpfError } from '../../libbpf/errors.js';
import {
  type AttachTarget,
  attachClsact,
  attachedProgram,
  attachedTcx,
  BpfLink,
  type Direction,
  detachClsact,
  removeClsact,
} from '../../libbpf/link.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { hasClsactFilters } from '../../netlink/filters.js';
import { links, type NetworkLink, watchLinks } from '../../netlink/links.js';
import { type Fault, faultOf, VipdError } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import type { HookStatus, Step } from '../dataplane.js';
import { keepPinned, makePinDirectory, pinsIn, removePins, unpin } from './pins.js';
import type { ObjectName } from './programs.js';

export interface Interfaces {
  /** Name patterns, `*` stands for any characters: workload interfaces. */
  readonly tc: readonly string[];
  /** Uplinks. An interface that both lists name is an uplink. */
  readonly xdp: readonly string[];
  readonly xdpMode: 'auto' | 'native' | 'generic';
}

export interface HooksOptions {
  /** Directory of the links' pins. */
  readonly pins: string;
  readonly cgroup: string;
  readonly interfaces: Interfaces;
  readonly sock: SockOptions;
}

/** What the sock hook does beside giving backends to sockets that connect. */
export interface SockOptions {
  /** Whether it is counted how connects go; yes when absent. */
  readonly passiveHealth?: boolean;
  /** Whether datagrams of unconnected sockets are taken: `auto`, or when absent, while there is a UDP VIP. */
  readonly datagrams?: 'auto' | 'on' | 'off';
  /** Cgroups that it leaves alone, at most 16. */
  readonly optOut?: readonly string[];
}

export interface HooksModules {
  readonly program: (object: ObjectName, name: string) => BpfProgram;
  readonly logger?: Logger | undefined;
}

/** enum bpf_attach_type of linux/bpf.h, by what of the sock hook they are for. */
const SOCK_HOOKS = {
  link: { sock_connect4: 10, sock_connect6: 11, sock_getpeername4: 29, sock_getpeername6: 30 },
  answers: { sock_recvmsg4: 19, sock_recvmsg6: 20 },
  datagrams: { sock_sendmsg4: 14, sock_sendmsg6: 15 },
  health: { sock_outcome: 3 },
} as const;
type SockMode = keyof typeof SOCK_HOOKS;

/** A place where one program of ours belongs. */
interface Place {
  readonly pin: string;
  readonly hook: HookStatus['hook'];
  readonly where: string;
  readonly ifindex?: number;
  readonly program: BpfProgram;
  /** Why nothing can be attached here. */
  readonly unfit?: Fault;
  /** Ways to attach, best first. */
  readonly targets: readonly (AttachTarget & { readonly mode: string })[];
  /** For kernels without TCX. */
  readonly clsact?: Direction;
}

/**
 * Where the programs are attached. Every attachment is a pinned link, so it outlives the daemon; a pin that is there
 * already is given this version's program in place, without a packet passing between the two.
 */
export class Hooks {
  readonly #links = new Map<string, BpfLink>();
  readonly #statuses = new Map<string, HookStatus>();
  #stopWatching: (() => void) | undefined;
  #attached = false;
  #udp = false;
  /** Why the last check came to nothing. */
  #fault: Fault | undefined;

  constructor(
    readonly options: HooksOptions,
    readonly modules: HooksModules,
  ) {}

  statuses(): readonly HookStatus[] {
    const statuses = [...this.#statuses.values()];
    return this.#fault === undefined ? statuses : statuses.map((one) => ({ fault: this.#fault!, ...one }));
  }

  /** Attaches everywhere, and from now on to interfaces that appear. A place that fails shows it in its status. */
  attach(): void {
    this.#settle();
    this.#stopWatching ??= watchLinks(() => this.check());
  }

  /** Whether any VIP is one of UDP. A hook that is needed is there when this returns; one that is not goes at the next check. */
  needUdp(needed: boolean): void {
    if (needed === this.#udp) return;
    this.#udp = needed;
    if (needed) this.check();
  }

  /** Before these steps are carried out. */
  prepare(steps: readonly Step[]): void {
    const udp = steps.some((step) => step.kind === 'upsert' && step.vip.frontend.protocol === 'udp');
    if (udp) this.needUdp(true);
  }

  /** Attaches and pins anew what was detached or unpinned by hand, or where the cgroup or interface is another now. */
  check(): void {
    if (!this.#attached) return;
    try {
      this.#settle();
      this.#fault = undefined;
    } catch (error) {
      const fault = faultOf(error, 'hooks');
      if (fault.cause !== this.#fault?.cause) this.modules.logger?.warn({ fault }, 'hooks not checked');
      this.#fault = fault;
    }
  }

  /** Lets go of the handles; what is attached stays. */
  release(): void {
    this.#attached = false;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /** Attaches what is missing, takes away what no place wants any more. */
  #settle(): void {
    this.#attached = true;
    makePinDirectory(this.options.pins);
    const present = links();
    const places = [...this.#sockPlaces(), ...present.flatMap((link) => this.#placesOn(link))];
    for (const place of inOrder(places)) this.#keep(place);
    const instead = present.filter((link) => this.#lacksXdp(link)).map((link) => this.#tcPlace(link, 'ingress'));
    for (const place of instead) this.#keep(place);
    const wanted = new Set([...places, ...instead].map(({ pin }) => pin));
    for (const pin of new Set([...pinsIn(this.options.pins), ...this.#statuses.keys()])) {
      if (!wanted.has(pin)) this.#drop(pin);
    }
    for (const { index, kind } of present) if (kind !== 'loopback') dropClsact(index, wanted);
    const again = keepPinned(this.options.pins, this.#links);
    if (again.length > 0) this.modules.logger?.warn({ links: again }, 'links were unpinned and are pinned again');
  }

  #keep(place: Place): void {
    const link = this.#links.get(place.pin);
    if (link !== undefined && isAt(link, place)) return;
    if (link !== undefined) this.#drop(place.pin);
    this.#occupy(place);
  }

  #drop(pin: string): void {
    this.#links.get(pin)?.close();
    this.#links.delete(pin);
    this.#statuses.delete(pin);
    unpin(join(this.options.pins, pin));
  }

  #occupy(place: Place): void {
    let mode = 'none';
    let fault: Fault | undefined;
    try {
      if (place.unfit !== undefined) throw new VipdError(place.unfit);
      mode = this.#adopt(place) ?? this.#attach(place);
    } catch (error) {
      fault =
        place.hook === 'xdp' && isTaken(error)
          ? takenFault(place)
          : faultOf(error, `${place.hook} hook on ${place.where}`);
      const known = this.#statuses.get(place.pin)?.fault;
      if (known?.cause !== fault.cause) this.modules.logger?.warn({ fault }, 'hook not attached');
    }
    const { hook, where } = place;
    this.#statuses.set(place.pin, { hook, where, mode, attached: fault === undefined, ...(fault ? { fault } : {}) });
  }

  /** The mode in force when a pinned link is still attached here; undefined when there is none. */
  #adopt(place: Place): string | undefined {
    const path = join(this.options.pins, place.pin);
    if (!pinsIn(this.options.pins).includes(place.pin)) return undefined;
    const link = BpfLink.openPinned(path);
    try {
      if (!isAt(link, place)) throw new Error('it is attached elsewhere, or not at all');
      link.update(place.program);
    } catch {
      link.close();
      unpin(path);
      return undefined;
    }
    this.#links.set(place.pin, link);
    return place.hook === 'xdp' ? xdpModeOf(place.ifindex) : place.targets[0]!.mode;
  }

  #attach(place: Place): string {
    let failure: unknown;
    for (const target of place.targets) {
      try {
        const link = BpfLink.attach(place.program, target);
        link.pin(join(this.options.pins, place.pin));
        this.#links.set(place.pin, link);
        return target.mode;
      } catch (error) {
        failure = error;
        if (!wayNotSupported(error)) break;
      }
    }
    if (place.clsact === undefined || place.ifindex === undefined || !wayNotSupported(failure)) throw failure;
    attachClsact(place.program, place.ifindex, place.clsact);
    return 'clsact';
  }

  #sockPlaces(): Place[] {
    const { cgroup } = this.options;
    const modes = (Object.keys(SOCK_HOOKS) as SockMode[]).filter((mode) => this.#serves(mode));
    return modes.flatMap((mode) =>
      Object.entries(SOCK_HOOKS[mode]).map(([name, attachType]) => ({
        pin: name,
        hook: 'sock' as const,
        where: cgroup,
        program: this.modules.program(mode === 'health' ? 'sock_health' : 'sock_lb', name),
        targets: [{ kind: 'cgroup' as const, path: cgroup, attachType, mode }],
      })),
    );
  }

  /** Sockets that connect ask who an answer is from as well, so `off` takes the datagrams alone. */
  #serves(mode: SockMode): boolean {
    const { passiveHealth = true, datagrams = 'auto' } = this.options.sock;
    if (mode === 'health') return passiveHealth;
    if (mode === 'link') return true;
    return datagrams === 'on' || (this.#udp && (mode === 'answers' || datagrams === 'auto'));
  }

  #placesOn(link: NetworkLink): Place[] {
    const { tc, xdp } = this.options.interfaces;
    if (link.kind === 'loopback') return [];
    if (nameMatches(xdp, link.name) && this.#suitsXdp(link))
      return [this.#xdpPlace(link), this.#tcPlace(link, 'egress')];
    if (!nameMatches([...tc, ...xdp], link.name)) return [];
    return [this.#tcPlace(link, 'ingress'), this.#tcPlace(link, 'egress')];
  }

  /**
   * What comes from a virtual interface has not been on a wire: its checksum is still to be completed, which XDP cannot
   * see. There tc does the same, unless XDP is asked for by its mode.
   */
  #suitsXdp({ kind }: NetworkLink): boolean {
    return this.options.interfaces.xdpMode !== 'auto' || kind === 'device' || kind === 'bond';
  }

  /** Where XDP was to be and is not, tc does the same. */
  #lacksXdp(link: NetworkLink): boolean {
    return link.ethernet && this.#statuses.get(xdpPin(link.index))?.attached === false;
  }

  #tcPlace(link: NetworkLink, direction: Direction): Place {
    const { name, index } = link;
    return {
      ...unfit(link),
      pin: tcPin(direction, index),
      hook: 'tc',
      where: name,
      ifindex: index,
      program: this.modules.program('tc_lb', `tc_${direction}`),
      targets: [{ kind: 'tcx', ifindex: index, direction, mode: 'tcx' }],
      clsact: direction,
    };
  }

  #xdpPlace(link: NetworkLink): Place {
    const { name, index } = link;
    const { xdpMode } = this.options.interfaces;
    const modes = xdpMode === 'auto' ? (['native', 'generic'] as const) : [xdpMode];
    return {
      ...unfit(link),
      pin: xdpPin(index),
      hook: 'xdp',
      where: name,
      ifindex: index,
      program: this.modules.program('xdp_lb', 'xdp_ingress'),
      targets: modes.map((mode) => ({ kind: 'xdp', ifindex: index, mode })),
    };
  }
}

/**
 * What gives answers their VIP back comes first, what opens flows last: while a table of flows is being replaced, a flow in
 * the new one must find nobody on the way back who knows only the old one.
 */
function inOrder(places: readonly Place[]): Place[] {
  const rank = ({ pin }: Place) => ['tc_egress', 'xdp', 'tc_ingress'].findIndex((start) => pin.startsWith(start));
  return [...places].sort((a, b) => rank(a) - rank(b));
}

/** The programs read Ethernet headers; tun, wireguard and the like have none. */
function unfit({ name, ethernet }: NetworkLink): { unfit?: Fault } {
  if (ethernet) return {};
  const hint = 'leave it out of the interfaces; the sock hook serves what connects from this node';
  return {
    unfit: { code: 'NO_ETHERNET', object: `interface ${name}`, cause: 'its packets have no Ethernet header', hint },
  };
}

/** Whether a link is where it belongs: the cgroup may be another of the same name, the interface may be gone. */
function isAt(link: BpfLink, place: Place): boolean {
  const { ifindex, cgroupId } = link.info;
  if (place.ifindex === undefined)
    return cgroupId === statSync(place.where, { bigint: true, throwIfNoEntry: false })?.ino;
  if (ifindex !== place.ifindex) return false;
  return place.hook !== 'xdp' || place.targets.some(({ mode }) => mode === xdpModeOf(ifindex));
}

/** Ends every attachment under `pins`, and those that have none because the kernel has no TCX. */
export function removeHooks(pins: string): void {
  removePins(pins);
  for (const { index, kind } of links()) if (kind !== 'loopback') dropClsact(index, new Set());
}

/**
 * Without TCX there is no link that could be pinned: what no place wants is taken off the qdisc, and the qdisc, which
 * `attachClsact` may have made, goes with the last filter on it.
 */
function dropClsact(ifindex: number, wanted: ReadonlySet<string>): void {
  if (hasTcx(ifindex)) return;
  const dropped = (['ingress', 'egress'] as const).filter(
    (direction) => !wanted.has(tcPin(direction, ifindex)) && detachClsact(ifindex, direction),
  );
  if (dropped.length > 0 && !hasClsactFilters(ifindex)) removeClsact(ifindex);
}

function xdpPin(ifindex: number): string {
  return `xdp_${ifindex}`;
}

function tcPin(direction: Direction, ifindex: number): string {
  return `tc_${direction}_${ifindex}`;
}

function hasTcx(ifindex: number): boolean {
  try {
    attachedTcx(ifindex, 'ingress');
    return true;
  } catch {
    return false;
  }
}

function xdpModeOf(ifindex: number | undefined): string {
  return links().find(({ index }) => index === ifindex)?.xdp?.mode ?? 'native';
}

function isTaken(error: unknown): boolean {
  return error instanceof BpfError && ['EBUSY', 'EEXIST'].includes(error.errnoName);
}

/** An interface has room for one XDP program. */
function takenFault({ where, ifindex }: Place): Fault {
  const other = links().find(({ index }) => index === ifindex)?.xdp;
  const program = other && `${attachedProgram(other.progId).name ?? 'one without a name'} (id ${other.progId})`;
  return {
    code: 'XDP_TAKEN',
    object: `xdp hook on ${where}`,
    cause: program === undefined ? 'another program has it' : `another program has it: ${program}`,
    hint: `tc serves ${where} meanwhile; end the other one (ip link set dev ${where} xdp off), or name ${where} with --tc`,
  };
}

/** The kernel or the driver cannot do it this way; another way may go. */
function wayNotSupported(error: unknown): boolean {
  return error instanceof BpfError && ['EOPNOTSUPP', 'EINVAL', 'ENOTSUPP'].includes(error.errnoName);
}

/** `*` stands for any characters; a pattern covers the whole name. */
export function nameMatches(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}
