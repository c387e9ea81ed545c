import { addon, type NativeLink, native } from '../native/binding.js';
import { about } from './errors.js';
import type { BpfProgram } from './program.js';

export type Direction = 'ingress' | 'egress';
export type XdpMode = 'native' | 'generic';

export type AttachTarget =
  /** A directory of the cgroup v2 hierarchy; `attachType` is of linux/bpf.h and must be the program's own. */
  | { readonly kind: 'cgroup'; readonly path: string; readonly attachType: number }
  | { readonly kind: 'xdp'; readonly ifindex: number; readonly mode: XdpMode }
  /** From kernel 6.6; below, use `attachClsact`. */
  | { readonly kind: 'tcx'; readonly ifindex: number; readonly direction: Direction };

export interface LinkInfo {
  readonly id: number;
  /** `enum bpf_link_type` of linux/bpf.h. */
  readonly type: number;
  readonly progId: number;
  /** XDP and TCX; 0 once the interface is gone. */
  readonly ifindex?: number;
  /** cgroup only; the cgroup directory's inode number. */
  readonly cgroupId?: bigint;
  /** cgroup and TCX. */
  readonly attachType?: number;
}

// linux/bpf.h and linux/if_link.h; the TCX ones are younger than the headers of Debian 12.
const BPF_XDP = 37;
const BPF_TCX_INGRESS = 46;
const BPF_TCX_EGRESS = 47;
const XDP_FLAGS_SKB_MODE = 1 << 1;
const XDP_FLAGS_DRV_MODE = 1 << 2;

/**
 * Ours among the filters of a clsact qdisc: any other program keeps its own. The handle is `vip` in ASCII; tc runs lower
 * priorities first, and we want to be first.
 */
const clsactHandle = 0x766970;
const clsactPriority = 1;

/**
 * An attachment. It ends when the handle is closed and the link is not pinned. Owns a file descriptor, like BpfMap;
 * methods throw BpfError.
 */
export class BpfLink {
  readonly [native]: NativeLink;
  readonly #object: string;

  private constructor(handle: NativeLink, object: string) {
    this[native] = handle;
    this.#object = object;
  }

  /**
   * @throws BpfError EBUSY when the place is taken, EOPNOTSUPP where the driver has no native XDP, EINVAL where the
   * kernel has no TCX
   */
  static attach(program: BpfProgram, target: AttachTarget): BpfLink {
    const object = `program ${program.name} on ${placeOf(target)}`;
    return new BpfLink(
      about(object, () => attachTo(program, target)),
      object,
    );
  }

  /** @throws BpfError ENOENT when nothing is pinned there, EINVAL when it is no link */
  static openPinned(path: string): BpfLink {
    const object = `link ${path}`;
    return new BpfLink(
      about(object, () => addon().Link.openPinned(path)),
      object,
    );
  }

  get closed(): boolean {
    return this[native].closed();
  }

  get info(): LinkInfo {
    return about(this.#object, () => this[native].info());
  }

  /** Puts another program in the place of the one attached, without a packet passing between them. */
  update(program: BpfProgram): void {
    about(this.#object, () => this[native].update(program[native]));
  }

  pin(path: string): void {
    about(`${this.#object} at ${path}`, () => this[native].pin(path));
  }

  /** Ends the attachment although the link may be pinned; the pin stays, as a link to nothing. */
  detach(): void {
    about(this.#object, () => this[native].detach());
  }

  close(): void {
    this[native].close();
  }
}

/** Attaches through a clsact qdisc (made when absent), in place of an earlier program of ours. For kernels without TCX. */
export function attachClsact(program: BpfProgram, ifindex: number, direction: Direction): void {
  about(`program ${program.name} on clsact ${direction} of interface ${ifindex}`, () =>
    addon().attachClsact(program[native], ifindex, direction === 'egress', clsactHandle, clsactPriority),
  );
}

/** Removes our program; others stay, and so does the qdisc (see `removeClsact`). False when it was not there. */
export function detachClsact(ifindex: number, direction: Direction): boolean {
  try {
    about(`clsact ${direction} of interface ${ifindex}`, () =>
      addon().detachClsact(ifindex, direction === 'egress', clsactHandle, clsactPriority),
    );
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Removes the clsact qdisc and every program on it: only for whoever made it and knows it empty. */
export function removeClsact(ifindex: number): void {
  about(`clsact of interface ${ifindex}`, () => addon().removeClsact(ifindex));
}

/** Whether a clsact filter (see netlink/filters) is the one `attachClsact` makes. */
export function isOwnClsactFilter(filter: { readonly handle: number; readonly priority: number }): boolean {
  return filter.handle === clsactHandle && filter.priority === clsactPriority;
}

export interface AttachedProgram {
  readonly id: number;
  /** Absent without the privilege to ask (CAP_SYS_ADMIN). */
  readonly name?: string;
}

/** The TCX programs of an interface in the order they run. @throws BpfError EINVAL where the kernel has no TCX */
export function attachedTcx(ifindex: number, direction: Direction): AttachedProgram[] {
  return about(`tcx ${direction} of interface ${ifindex}`, () =>
    addon().attachedToInterface(ifindex, tcxType(direction)).map(attachedProgram),
  );
}

/** The programs of a cgroup itself (not its ancestors) in the order they run. */
export function attachedToCgroup(path: string, attachType: number): AttachedProgram[] {
  return about(`cgroup ${path}`, () => addon().attachedToCgroup(path, attachType).map(attachedProgram));
}

/** A program by id; the name is absent without the privilege to ask, or when it is gone. */
export function attachedProgram(id: number): AttachedProgram {
  try {
    const name = addon().programName(id);
    return name === undefined ? { id } : { id, name };
  } catch {
    return { id };
  }
}

function attachTo(program: BpfProgram, target: AttachTarget): NativeLink {
  const { Link } = addon();
  const handle = program[native];
  switch (target.kind) {
    case 'cgroup':
      return Link.attachCgroup(handle, target.path, target.attachType);
    case 'xdp':
      return Link.attachInterface(handle, target.ifindex, BPF_XDP, xdpFlags(target.mode));
    case 'tcx':
      return Link.attachInterface(handle, target.ifindex, tcxType(target.direction), 0);
  }
}

function xdpFlags(mode: XdpMode): number {
  return mode === 'native' ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

function tcxType(direction: Direction): number {
  return direction === 'ingress' ? BPF_TCX_INGRESS : BPF_TCX_EGRESS;
}

function placeOf(target: AttachTarget): string {
  switch (target.kind) {
    case 'cgroup':
      return `cgroup ${target.path}`;
    case 'xdp':
      return `xdp (${target.mode}) of interface ${target.ifindex}`;
    case 'tcx':
      return `tcx ${target.direction} of interface ${target.ifindex}`;
  }
}

function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'errnoName' in error ? error.errnoName : undefined;
  return code === 'ENOENT' || code === 'EINVAL' || code === 'ENODEV';
}
