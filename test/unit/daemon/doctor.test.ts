import test from 'ava';
import { type DoctorOptions, doctor, type Subject } from '../../../ts/daemon/doctor.js';
import { checkAllPrivileges, checkPrivilege } from '../../../ts/daemon/privilege.js';
import type { HookStatus, TableFill } from '../../../ts/dataplane/dataplane.js';

const options: DoctorOptions = {
  bpffs: '/sys/fs/bpf/vipd',
  cgroup: '/cg',
  'interfaces.tc': ['w*'],
  'interfaces.xdp': [],
  'interfaces.redirect': 'auto',
  'interfaces.redirectRemote': 'auto',
  'sock.optOut': [],
};

const feature = { name: 'ring buffer', minimumKernel: '5.8', present: true, required: true, hint: 'upgrade' };

const healthy: Subject = {
  kernelRelease: () => '6.18.1',
  missingCapabilities: () => [],
  features: () => [feature],
  isBpffs: (path) => path === '/sys/fs/bpf',
  isCgroup: () => true,
  ownProgramIds: () => new Set(),
  ipvs: () => ({ ok: true }),
  stackNeeded: () => undefined,
  stackNeededRemote: () => undefined,
  foreignOnCgroup: () => [],
  foreignOnInterfaces: () => [],
};

const hooks = [{ hook: 'xdp', where: 'eth0', mode: 'native', attached: true }] as const;

const running = (at: readonly HookStatus[] = hooks, tables: readonly TableFill[] = []) => ({
  hooks: () => at,
  tables: () => tables,
});

function check(name: string, subject: Partial<Subject>, over: Partial<DoctorOptions> = {}) {
  const report = doctor({ ...options, ...over }, running(), { ...healthy, ...subject });
  return { ok: report.ok, ...report.checks.find((one) => one.name === name) };
}

test('a machine that has everything is well', (t) => {
  const report = doctor(options, running(), healthy);
  t.true(report.ok);
  t.true(report.checks.every((one) => one.result === 'ok'));
  t.is(report.checks.find((one) => one.name === 'xdp hook')?.detail, 'eth0 (native)');
});

test('says which way packets between workloads take, and warns of a firewall that is passed by', (t) => {
  const stackNeeded = () => 'nftables chain filter forward would not see them';
  t.like(check('redirect', {}), { result: 'ok', detail: 'packets between workloads go past the network stack' });
  t.like(check('redirect', { stackNeeded }), { result: 'ok' });
  t.regex(check('redirect', { stackNeeded }).detail ?? '', /take the network stack: nftables chain filter forward/);
  t.like(check('redirect', { stackNeeded }, { 'interfaces.redirect': 'on' }), { ok: true, result: 'warning' });
  t.like(check('redirect', { stackNeeded }, { 'interfaces.redirect': 'off' }), {
    result: 'ok',
    detail: 'switched off',
  });
});

test('says which way packets to backends elsewhere take, where those between workloads go past the stack', (t) => {
  const stackNeeded = () => 'nftables chain filter forward would not see them';
  const stackNeededRemote = () => 'nftables chain nat postrouting would not see them';
  t.like(check('redirectRemote', {}), {
    result: 'ok',
    detail: 'packets to backends elsewhere go past the network stack',
  });
  t.regex(check('redirectRemote', { stackNeededRemote }).detail ?? '', /take the network stack: .* postrouting/);
  t.like(check('redirectRemote', { stackNeededRemote }, { 'interfaces.redirectRemote': 'on' }), { result: 'warning' });
  t.is(check('redirectRemote', { stackNeeded, stackNeededRemote }).detail, undefined);
});

test('what is left to the tc hook must be there, and the hook too', (t) => {
  const over = { 'sock.optOut': ['/cg/side'] };
  t.is(check('opt-out', {}).detail, undefined);
  t.like(check('opt-out', {}, over), { result: 'ok', detail: '/cg/side, left to the tc hook' });
  t.like(check('opt-out', {}, { ...over, 'interfaces.tc': [] }), { ok: true, result: 'warning' });
  const missing = check('opt-out', { isCgroup: (path) => path === '/cg' }, over);
  t.like(missing, { ok: true, result: 'warning', detail: '/cg/side: no such cgroup' });
});

test('says what a hook costs those that have nothing to do with VIPs', (t) => {
  const sock = { hook: 'sock', where: '/cg', mode: 'health', attached: true } as const;
  const report = doctor(options, running([sock]), healthy);
  t.regex(report.checks.find((one) => one.name === 'sock hook')?.detail ?? '', /^\/cg \(health\); every TCP connect/);
});

test('a feature the kernel lacks: its minimum version and what to do', (t) => {
  const lacking = { ...feature, present: false };
  t.like(check('ring buffer', { features: () => [lacking] }), {
    ok: false,
    result: 'failed',
    detail: 'absent; kernel 5.8 or later has it',
    hint: 'upgrade',
  });
  const optional = check('ring buffer', { features: () => [{ ...lacking, required: false }] });
  t.like(optional, { ok: true, result: 'warning' });
});

test('a kernel without IPVS is told, and no reason to worry', (t) => {
  const none = { ok: false, reason: 'this kernel has no IPVS', hint: 'another kernel' } as const;
  t.like(check('ipvs', { ipvs: () => none }), { ok: true, result: 'warning', detail: 'this kernel has no IPVS' });
});

test('without capabilities nothing is tried that would look absent for that reason alone', (t) => {
  const report = doctor(options, running(), { ...healthy, missingCapabilities: () => ['CAP_BPF'] });
  t.false(report.ok);
  t.is(report.checks.find((one) => one.name === 'capabilities')?.detail, 'CAP_BPF missing');
  t.false(report.checks.some((one) => one.name === 'ring buffer'));
});

test('no cgroup-v2 hierarchy, a path that is none, and no bpffs are failures', (t) => {
  t.like(check('cgroup', {}, { cgroup: undefined }), { ok: false, result: 'failed' });
  t.like(check('cgroup', { isCgroup: () => false }), { ok: false, detail: '/cg is no cgroup-v2 directory' });
  t.like(check('bpffs', { isBpffs: () => false }), { ok: false, detail: '/sys/fs/bpf is not on a bpffs' });
});

test('programs of others are named with their place', (t) => {
  const foreignOnCgroup = () => [{ where: 'cgroup /cg, connect4', program: 'cil_sock4', id: 7 }];
  t.like(check('other programs', { foreignOnCgroup }), { ok: true, detail: 'cil_sock4 on cgroup /cg, connect4' });
  const ownProgramIds = () => new Set([7]);
  t.like(check('other programs', { foreignOnCgroup, ownProgramIds }), { detail: 'none where vipd attaches' });
});

test('a probe that fails is a failed check, not the end of the report', (t) => {
  const features = () => {
    throw new Error('no addon');
  };
  t.like(check('kernel features', { features }), { ok: false, detail: 'kernel features: no addon' });
});

test('a hook that is not attached says why', (t) => {
  const fault = { code: 'EBUSY', object: 'eth0', cause: 'another program is there', hint: 'remove it' };
  const report = doctor(options, running([{ ...hooks[0], attached: false, fault }]), healthy);
  const found = report.checks.find((one) => one.name === 'xdp hook');
  t.like(found, { result: 'failed', detail: 'eth0 (native): another program is there', hint: 'remove it' });
});

test('without a daemon there is a warning only', (t) => {
  const report = doctor(options, undefined, healthy);
  t.true(report.ok);
  t.is(report.checks.find((one) => one.name === 'daemon')?.result, 'warning');
});

test('missing capabilities are one sentence', (t) => {
  t.notThrows(() => checkPrivilege([]));
  t.notThrows(() => checkPrivilege(['CAP_BPF', 'CAP_PERFMON']), 'IPVS does without');
  t.throws(() => checkPrivilege(['CAP_NET_ADMIN', 'CAP_BPF']), {
    code: 'PRIVILEGE_MISSING',
    message: /^user \d+: this process lacks CAP_NET_ADMIN, CAP_BPF \(run it as root or by its systemd unit\)$/,
  });
  t.throws(() => checkAllPrivileges(['CAP_BPF']), { code: 'PRIVILEGE_MISSING' });
});

test('a table that fills up is a warning with a way out', (t) => {
  const flows = { table: 'flows', used: 3, limit: 4, alarm: true };
  const report = doctor(options, running(hooks, [flows, { ...flows, table: 'exact_flows', alarm: false }]), healthy);
  t.true(report.ok);
  const [first, second] = report.checks.filter(({ name }) => name.startsWith('table '));
  t.like(first, { name: 'table flows', result: 'warning', detail: 'flows 3 of 4 (75 %)' });
  t.regex(first?.hint ?? '', /limits\.flows/);
  t.like(second, { name: 'table exact_flows', result: 'ok' });
});
