import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nameMatches } from '../dataplane/ebpf/hooks.js';
import { tcxSupported } from '../libbpf/features.js';
import {
  type AttachedProgram,
  attachedProgram,
  attachedTcx,
  attachedToCgroup,
  BpfLink,
  isOwnClsactFilter,
} from '../libbpf/link.js';
import { BpfProgram } from '../libbpf/program.js';
import { clsactFilters } from '../netlink/filters.js';
import { links, type NetworkLink } from '../netlink/links.js';

/** A program of somebody else where one of ours goes. */
export interface ForeignProgram {
  /** `cgroup /sys/fs/cgroup, connect4`, `eth0, xdp (native)` */
  readonly where: string;
  /** Its name, else its id. */
  readonly program: string;
  readonly id: number;
}

/** `enum bpf_attach_type` of linux/bpf.h: what the sock hook attaches. */
const cgroupTypes = {
  connect4: 10,
  connect6: 11,
  sendmsg4: 14,
  sendmsg6: 15,
  recvmsg4: 19,
  recvmsg6: 20,
  getpeername4: 29,
  getpeername6: 30,
  sock_ops: 3,
} as const;

const directions = ['ingress', 'egress'] as const;

/** By the names of the functions in bpf/, of which the kernel keeps the first 15 characters. */
const ownName =
  /^(sock_(connect|sendmsg|recvmsg)[46]|sock_getpeernam(e[46])?|sock_outcome|tc_(ingress|egress)|xdp_ingress)$/;

/**
 * Ids of the programs pinned, or attached by links pinned, under the daemon's directory. The kernel tells names to root
 * alone; of a daemon with fewer capabilities only these are known to be ours.
 */
export function ownProgramIds(bpffs: string): ReadonlySet<number> {
  const programs = pinned(join(bpffs, 'programs'), (path) => idOf(BpfProgram.openPinned(path), ({ id }) => id));
  const attached = pinned(join(bpffs, 'links'), (path) => idOf(BpfLink.openPinned(path), ({ progId }) => progId));
  return new Set([...programs, ...attached]);
}

function idOf<I>(handle: { readonly info: I; close(): void }, of: (info: I) => number): number {
  const id = of(handle.info);
  handle.close();
  return id;
}

/** What may not be looked at, or is just being removed, is left out. */
function pinned(directory: string, read: (path: string) => number): number[] {
  return readable(() => readdirSync(directory)).flatMap((name) => readable(() => [read(join(directory, name))]));
}

function readable<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch {
    return [];
  }
}

/** Programs on the cgroup that answer the same calls as ours; they all run, each sees what the one before has made. */
export function foreignOnCgroup(path: string): ForeignProgram[] {
  return Object.entries(cgroupTypes).flatMap(([name, type]) =>
    strangers(`cgroup ${path}, ${name}`, attachedToCgroup(path, type)),
  );
}

/** Programs on the tc and xdp hooks of interfaces whose names match. */
export function foreignOnInterfaces(tc: readonly string[], xdp: readonly string[]): ForeignProgram[] {
  const all = links();
  const matching = (patterns: readonly string[]) => all.filter(({ name }) => nameMatches(patterns, name));
  return [...matching(tc).flatMap(foreignOnTc), ...matching(xdp).flatMap(foreignOnXdp)];
}

function foreignOnTc({ index, name }: NetworkLink): ForeignProgram[] {
  return directions.flatMap((direction) => {
    const tcx = tcxSupported() ? attachedTcx(index, direction) : [];
    const clsact = clsactFilters(index, direction).filter((filter) => !isOwnClsactFilter(filter));
    const classic = clsact.map((filter) => ({ id: filter.progId, name: filter.name }));
    return strangers(`${name}, tc ${direction}`, [...tcx, ...classic]);
  });
}

/** An interface takes one XDP program as a link: a foreign one keeps ours out. */
function foreignOnXdp({ name, xdp }: NetworkLink): ForeignProgram[] {
  return xdp === undefined ? [] : strangers(`${name}, xdp (${xdp.mode})`, [attachedProgram(xdp.progId)]);
}

function strangers(where: string, programs: readonly AttachedProgram[]): ForeignProgram[] {
  const foreign = programs.filter(({ name }) => name === undefined || !ownName.test(name));
  return foreign.map(({ id, name }) => ({ where, program: name ?? `program ${id}`, id }));
}
