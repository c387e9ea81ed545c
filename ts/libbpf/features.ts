import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { addon } from '../native/binding.js';
import { about } from './errors.js';
import { attachedTcx } from './link.js';

/** Something the kernel may have. */
export interface Feature {
  readonly name: string;
  /** The first kernel that has it when configured so: `5.8`. */
  readonly minimumKernel: string;
  readonly present: boolean;
  /** False where something else does in its place. */
  readonly required: boolean;
  /** What to do when it is absent. */
  readonly hint: string;
}

// linux/bpf.h
const programTypes = { sched_cls: 3, xdp: 6, cgroup_sock_addr: 18 } as const;
const mapTypes = { percpu_array: 6, lru_hash: 9, lpm_trie: 11, ringbuf: 27 } as const;
const helpers = { set_retval: 187 } as const;
/** linux/magic.h */
const BPF_FS_MAGIC = 0xcafe4a11;
/** Loopback is there in every network namespace. */
const loopbackIndex = 1;
/** linux/capability.h; the last in each list is the capability itself, the others include it. */
const capabilities: Readonly<Record<string, readonly number[]>> = {
  CAP_BPF: [21, 39],
  CAP_NET_ADMIN: [12],
  CAP_PERFMON: [21, 38],
};

/** As `uname -r` says. */
export function kernelRelease(): string {
  return release();
}

/** Undefined where the kernel does not say: it shows the setting in the first network namespace only. */
export function jitEnabled(): boolean | undefined {
  const setting = '/proc/sys/net/core/bpf_jit_enable';
  return existsSync(setting) ? readFileSync(setting, 'utf8').trim() !== '0' : undefined;
}

/** Whether the kernel describes its own types. */
export function kernelBtfPresent(): boolean {
  return existsSync('/sys/kernel/btf/vmlinux');
}

/** Whether the path lies on a bpf filesystem, so that objects can be pinned there. */
export function isBpffs(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === BPF_FS_MAGIC;
}

/** Whether something made at this path would lie on a bpf filesystem: its nearest directory does. */
export function wouldBeOnBpffs(path: string): boolean {
  return existsSync(path) ? isBpffs(path) : wouldBeOnBpffs(dirname(path));
}

/** Whether programs can be attached to it; every cgroup has the first file, and only those of version 2 the second. */
export function isCgroup2(path: string): boolean {
  return existsSync(join(path, 'cgroup.procs')) && existsSync(join(path, 'cgroup.controllers'));
}

/** Where the cgroup v2 hierarchy is mounted; on hybrid systems `/sys/fs/cgroup/unified`. */
export function cgroup2Mount(): string | undefined {
  return findCgroup2(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Pure: the mount of a whole cgroup v2 hierarchy in the text of /proc/PID/mountinfo (proc(5)). */
export function findCgroup2(mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [mount = '', filesystem = ''] = line.split(' - ');
    const [, , , root, path] = mount.split(' ');
    if (filesystem.startsWith('cgroup2 ') && root === '/') return path?.replace(/\\040/g, ' ');
  }
  return undefined;
}

/** The capabilities this process needs and does not have, by name. */
export function missingCapabilities(): string[] {
  return capabilitiesMissingIn(readFileSync('/proc/self/status', 'utf8'));
}

/** Pure: the same from the text of /proc/PID/status; CAP_SYS_ADMIN counts as CAP_BPF and CAP_PERFMON. */
export function capabilitiesMissingIn(status: string): string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: number) => ((effective >> BigInt(bit)) & 1n) === 1n;
  return Object.keys(capabilities).filter((name) => !capabilities[name]!.some(has));
}

/** `enum bpf_prog_type` of linux/bpf.h. Without the capabilities everything looks absent. */
export function probeProgramType(type: number): boolean {
  return about(`program type ${type}`, () => addon().probeProgramType(type));
}

/** `enum bpf_map_type` of linux/bpf.h. */
export function probeMapType(type: number): boolean {
  return about(`map type ${type}`, () => addon().probeMapType(type));
}

/** Whether programs of the type may call the helper, `enum bpf_func_id` of linux/bpf.h. */
export function probeHelper(programType: number, helper: number): boolean {
  return about(`helper ${helper}`, () => addon().probeHelper(programType, helper));
}

/** For each name whether the kernel has a function (a kfunc) of that name; reads the kernel's BTF, some 30 ms. */
export function kernelFunctions(names: readonly string[]): boolean[] {
  return about('kernel BTF', () => addon().kernelFunctions(names));
}

/** Whether tc programs can be attached as links (TCX); seen by asking, for distributions backport it. */
export function tcxSupported(): boolean {
  try {
    attachedTcx(loopbackIndex, 'ingress');
    return true;
  } catch {
    return false;
  }
}

/** What the data plane uses. Needs the capabilities: without them everything that is tried looks absent. */
export function features(): Feature[] {
  return [
    program('sock hook (cgroup/connect programs)', '5.7', 'cgroup_sock_addr', 'CONFIG_CGROUP_BPF'),
    program('tc hook (sched_cls programs)', '4.15', 'sched_cls', 'CONFIG_NET_CLS_BPF'),
    program('xdp hook (XDP programs as links)', '5.9', 'xdp', 'CONFIG_BPF_SYSCALL'),
    map('hash map that evicts (lru_hash)', '4.10', 'lru_hash'),
    map('prefix map (lpm_trie)', '4.11', 'lpm_trie'),
    map('per-CPU array', '4.6', 'percpu_array'),
    map('ring buffer', '5.8', 'ringbuf'),
    {
      name: 'refusing with an error of choice (bpf_set_retval)',
      minimumKernel: '5.18',
      present: probeHelper(programTypes.cgroup_sock_addr, helpers.set_retval),
      required: true,
      hint: 'a kernel 5.18 or later',
    },
    {
      name: 'tc programs as links (TCX)',
      minimumKernel: '6.6',
      present: tcxSupported(),
      required: false,
      hint: 'the clsact qdisc is used instead; upgrade the kernel to 6.6 or later for updates in place',
    },
    {
      name: 'BTF of the kernel',
      minimumKernel: '5.2',
      present: kernelBtfPresent(),
      required: false,
      hint: 'a kernel built with CONFIG_DEBUG_INFO_BTF=y',
    },
    {
      name: 'JIT compiler',
      minimumKernel: '4.1',
      present: jitEnabled() !== false,
      required: false,
      hint: 'programs are interpreted, many times slower; sysctl -w net.core.bpf_jit_enable=1',
    },
  ];
}

function program(name: string, minimumKernel: string, type: keyof typeof programTypes, config: string): Feature {
  const hint = `a kernel ${minimumKernel} or later with ${config}=y`;
  return { name, minimumKernel, present: probeProgramType(programTypes[type]), required: true, hint };
}

function map(name: string, minimumKernel: string, type: keyof typeof mapTypes): Feature {
  const hint = `a kernel ${minimumKernel} or later`;
  return { name, minimumKernel, present: probeMapType(mapTypes[type]), required: true, hint };
}
