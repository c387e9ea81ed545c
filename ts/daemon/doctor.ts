import { dirname } from 'node:path';
import type { DoctorCheck, DoctorReport } from '../api/routes/node.js';
import type { DataPlane, HookStatus, Support, TableFill } from '../dataplane/dataplane.js';
import { stackNeeded, stackNeededRemote } from '../dataplane/ebpf/workloads.js';
import { ipvsSupport } from '../dataplane/ipvs/support.js';
import { type Feature, features, isBpffs, isCgroup2, kernelRelease, missingCapabilities } from '../libbpf/features.js';
import { fillText } from '../model/fill.js';
import { faultOf } from '../util/errors.js';
import { type ForeignProgram, foreignOnCgroup, foreignOnInterfaces, ownProgramIds } from './foreign.js';
import type { DaemonOptions } from './options.js';

/** What the doctor looks at; the machine's own, unless a test says otherwise. */
export interface Subject {
  readonly kernelRelease: () => string;
  readonly missingCapabilities: () => readonly string[];
  readonly features: () => readonly Feature[];
  readonly isBpffs: (path: string) => boolean;
  readonly isCgroup: (path: string) => boolean;
  readonly ownProgramIds: (bpffs: string) => ReadonlySet<number>;
  readonly ipvs: () => Support;
  readonly stackNeeded: () => string | undefined;
  readonly stackNeededRemote: () => string | undefined;
  readonly foreignOnCgroup: (path: string) => readonly ForeignProgram[];
  readonly foreignOnInterfaces: (tc: readonly string[], xdp: readonly string[]) => readonly ForeignProgram[];
}

const host: Subject = {
  kernelRelease,
  missingCapabilities,
  features,
  isBpffs,
  isCgroup: isCgroup2,
  ownProgramIds,
  ipvs: ipvsSupport,
  stackNeeded,
  stackNeededRemote,
  foreignOnCgroup,
  foreignOnInterfaces,
};

export interface DoctorOptions
  extends Pick<
    DaemonOptions,
    'bpffs' | 'interfaces.tc' | 'interfaces.xdp' | 'interfaces.redirect' | 'interfaces.redirectRemote' | 'sock.optOut'
  > {
  readonly cgroup: string | undefined;
}

/** What this machine offers and what stands in the way. `plane` is undefined when no daemon runs. Never throws. */
export function doctor(
  options: DoctorOptions,
  plane: Pick<DataPlane, 'hooks' | 'tables'> | undefined,
  subject: Subject = host,
): DoctorReport {
  const privileged = subject.missingCapabilities().length === 0;
  const checks = [
    guarded('kernel', () => [ok('kernel', subject.kernelRelease())]),
    guarded('capabilities', () => [capabilityCheck(subject.missingCapabilities())]),
    ...(privileged ? [guarded('kernel features', () => subject.features().map(featureCheck))] : []),
    ...(privileged ? [guarded('ipvs', () => [ipvsCheck(subject.ipvs())])] : []),
    guarded('cgroup', () => [cgroupCheck(options.cgroup, subject)]),
    guarded('bpffs', () => [bpffsCheck(options.bpffs, subject)]),
    hookChecks(plane?.hooks()),
    (plane?.tables() ?? []).map(tableCheck),
    guarded('opt-out', () => optOutCheck(options, subject)),
    ...(privileged ? [guarded('redirect', () => redirectChecks(options, subject))] : []),
    ...(privileged ? [guarded('other programs', () => foreignChecks(options, subject))] : []),
  ].flat();
  return { ok: checks.every((check) => check.result !== 'failed'), checks };
}

function guarded(name: string, check: () => DoctorCheck[]): DoctorCheck[] {
  try {
    return check();
  } catch (error) {
    const { object, cause, hint } = faultOf(error, name);
    return [failed(name, `${object}: ${cause}`, hint)];
  }
}

function capabilityCheck(missing: readonly string[]): DoctorCheck {
  const name = 'capabilities';
  if (missing.length === 0) return ok(name, 'CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON');
  const hint = 'run it as root or by its systemd unit; without them nothing else of the kernel can be tried';
  return failed(name, `${missing.join(', ')} missing`, hint);
}

function featureCheck({ name, minimumKernel, present, required, hint }: Feature): DoctorCheck {
  if (present) return ok(name, `present (since kernel ${minimumKernel})`);
  const detail = `absent; kernel ${minimumKernel} or later has it`;
  return required ? failed(name, detail, hint) : { name, result: 'warning', detail, hint };
}

/** Whoever has eBPF does without. */
function ipvsCheck(support: Support): DoctorCheck {
  if (support.ok) return ok('ipvs', 'can be the data plane: vipctl mode ipvs');
  return { name: 'ipvs', result: 'warning', detail: support.reason, hint: support.hint };
}

function cgroupCheck(path: string | undefined, { isCgroup }: Subject): DoctorCheck {
  const name = 'cgroup';
  if (path === undefined) {
    return failed(name, 'no cgroup-v2 hierarchy is mounted', 'mount -t cgroup2 none /sys/fs/cgroup/unified');
  }
  if (isCgroup(path)) return ok(name, path);
  return failed(
    name,
    `${path} is no cgroup-v2 directory`,
    'name one with --cgroup, or leave the option out for the root',
  );
}

function bpffsCheck(path: string, { isBpffs }: Subject): DoctorCheck {
  const name = 'bpffs';
  if (isBpffs(path)) return ok(name, path);
  if (isBpffs(dirname(path))) return ok(name, `${dirname(path)}; ${path} is made at the first start`);
  return failed(name, `${dirname(path)} is not on a bpffs`, 'mount -t bpf bpf /sys/fs/bpf');
}

/** What a hook costs whoever has nothing to do with VIPs, too; measured as test/bench/README.md says. */
const costs: Readonly<Record<string, string>> = {
  link: 'every connect() passes it: some 0.2 µs',
  datagrams:
    'every datagram of an unconnected UDP socket passes it: some 0.5 µs with its answer; sock.datagrams: off spares them',
  answers: 'every recvfrom() of a UDP socket passes it',
  health: 'every TCP connect passes it: some 0.2 µs, and 0.4 µs (1 %) to a VIP; passiveHealth: false spares them',
};

function hookChecks(hooks: readonly HookStatus[] | undefined): DoctorCheck[] {
  if (hooks === undefined) {
    const hint = 'start it with `systemctl start vipd`';
    return [{ name: 'daemon', result: 'warning', detail: 'does not run, so nothing is kept up to date', hint }];
  }
  const checks = hooks.map(({ hook, where, mode, attached, fault }): DoctorCheck => {
    const name = `${hook} hook`;
    const cost = hook === 'sock' && costs[mode] ? `; ${costs[mode]}` : '';
    if (attached && fault === undefined) return ok(name, `${where} (${mode})${cost}`);
    return failed(name, `${where} (${mode}): ${fault?.cause ?? 'not attached'}`, fault?.hint);
  });
  return [ok('daemon', 'runs'), ...checks];
}

/** A full table is no failure: packets go on, new connections do not have all they should. */
function tableCheck(table: TableFill): DoctorCheck {
  const name = `table ${table.table}`;
  if (!table.alarm) return ok(name, fillText(table));
  return { name, result: 'warning', detail: fillText(table), hint: roomFor[table.table] ?? 'raise its limit' };
}

const roomFor: Readonly<Record<string, string>> = {
  flows: 'raise limits.flows; flows that find no room are kept in a small table and may lose their backend',
  exact_flows: 'raise limits.exactFlows; without room full NAT is refused, exact tracking done without',
  nat_ports: 'widen fullNat.ports, or add backends; without a free port new connections are refused',
};

/** What the sock hook leaves alone somebody else must take. */
function optOutCheck(options: DoctorOptions, { isCgroup }: Subject): DoctorCheck[] {
  const paths = options['sock.optOut'];
  const name = 'opt-out';
  if (paths.length === 0) return [];
  const missing = paths.filter((path) => !isCgroup(path));
  const hint = 'looked for anew every reconcileInterval; until it is there the sock hook takes its processes';
  if (missing.length > 0) return [{ name, result: 'warning', detail: `${missing.join(', ')}: no such cgroup`, hint }];
  if (options['interfaces.tc'].length > 0) return [ok(name, `${paths.join(', ')}, left to the tc hook`)];
  const alone = 'no interface has the tc hook, so these processes reach no VIP';
  return [{ name, result: 'warning', detail: alone, hint: 'name the interfaces of workloads with --tc' }];
}

/** Packets are only handed past the firewall of one who knows it. */
function redirectChecks(options: DoctorOptions, subject: Subject): DoctorCheck[] {
  const asked = options['interfaces.redirect'];
  if (asked === 'off' || options['interfaces.tc'].length === 0) {
    return [ok('redirect', asked === 'off' ? 'switched off' : 'no workload interfaces')];
  }
  const needed = subject.stackNeeded();
  const local = redirectCheck('redirect', 'packets between workloads', asked, needed);
  const remote = options['interfaces.redirectRemote'];
  if (asked === 'auto' && needed !== undefined) return [local];
  const past = subject.stackNeededRemote();
  return [local, redirectCheck('redirectRemote', 'packets to backends elsewhere', remote, past)];
}

function redirectCheck(name: string, what: string, asked: string, needed: string | undefined): DoctorCheck {
  if (asked === 'off') return ok(name, 'switched off');
  if (needed === undefined) return ok(name, `${what} go past the network stack`);
  if (asked === 'auto') return ok(name, `${what} take the network stack: ${needed}`);
  const detail = `${what} go past the network stack: ${needed}`;
  return { name, result: 'warning', detail, hint: `take \`${name}: auto\` if they should be seen there` };
}

function foreignChecks(options: DoctorOptions, subject: Subject): DoctorCheck[] {
  const own = subject.ownProgramIds(options.bpffs);
  const foreign = [
    ...(options.cgroup === undefined ? [] : subject.foreignOnCgroup(options.cgroup)),
    ...subject.foreignOnInterfaces(options['interfaces.tc'], options['interfaces.xdp']),
  ].filter(({ id }) => !own.has(id));
  const name = 'other programs';
  if (foreign.length === 0) return [ok(name, 'none where vipd attaches')];
  const hint = 'they run beside those of vipd, except that an interface takes one XDP program only';
  return foreign.map(({ where, program }) => ({ name, result: 'warning', detail: `${program} on ${where}`, hint }));
}

function ok(name: string, detail: string): DoctorCheck {
  return { name, result: 'ok', detail };
}

function failed(name: string, detail: string, hint?: string): DoctorCheck {
  return { name, result: 'failed', detail, ...(hint === undefined ? {} : { hint }) };
}
