import { chmodSync, chownSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '../../ts/api/client.js';
import { unixTransport } from '../../ts/api/unix.js';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { Agent } from '../helpers/agent.js';
import { ipvs } from '../helpers/kernel-needs.js';
import { Lab, pools } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { publicTree } from '../helpers/public-tree.js';
import { startEcho } from '../helpers/servers.js';
import { targetOf } from '../helpers/services.js';

// There is no systemd in a test, but its unit says what the daemon has: a user of its own and these capabilities.

const nobody = 65_534;
const service = { name: 'web', vip: '11.0.0.80:80', backends: [] as string[] };

/** As setpriv(1) wants them. */
function capabilitiesOfUnit(without: readonly string[]): string {
  const unit = readFileSync(join(packageRoot, 'packaging/vipd.service'), 'utf8');
  const all = /^AmbientCapabilities=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const names = all.filter((name) => !without.includes(name));
  return ['-all', ...names.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join(',');
}

/** What the unit has made before the daemon starts. */
function directoryOf(lab: Lab): string {
  const directory = `${lab.directory}/unit`;
  for (const path of [directory, `${directory}/state`, `${lab.bpffs}/vipd`]) {
    mkdirSync(path, { mode: 0o750 });
    chownSync(path, nobody, nobody);
  }
  chmodSync(lab.bpffs, statSync(lab.bpffs).mode | 0o001);
  return directory;
}

interface Place {
  readonly lab: Lab;
  /** The checkout, where this user can get to it. */
  readonly tree: string;
  readonly directory: string;
}

function startUnprivileged(place: Place, without: readonly string[] = [], ...more: string[]): Child {
  const { lab, tree, directory } = place;
  const held = capabilitiesOfUnit(without);
  const ids = ['--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups', '--no-new-privs'];
  const capabilities = ['--inh-caps', held, '--ambient-caps', held, '--bounding-set', held];
  const flags = [
    ...['--socket', `${directory}/vipd.sock`, '--state-dir', `${directory}/state`, '--bpffs', `${lab.bpffs}/vipd`],
    ...['--cgroup', lab.cgroup.path, '--tc', 'w*', '--pool', pools.v4, '--pool', pools.v6, '--source-wait', '1s'],
    ...more,
  ];
  const vipd = join(tree, 'packaging/bin/vipd');
  return Child.start(lab.node.inside(['setpriv', ...ids, ...capabilities, vipd, ...flags]));
}

rootTest(
  'the capabilities of the systemd unit are enough to serve, restart, examine and remove',
  async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one'), 'one');
    const agents = [await Agent.start(lab, lab.node, lab.cgroup), await Agent.start(lab, lab.site('client').namespace)];
    const directory = directoryOf(lab);
    const place = { lab, tree: publicTree(t), directory };
    const client = createClient(unixTransport(`${directory}/vipd.sock`));
    const healthy = (child: Child) =>
      until('a healthy daemon', 30_000, async () => {
        if (child.result !== undefined) throw new Error(child.output);
        return (await client.status().catch(() => undefined))?.healthy;
      });
    const first = startUnprivileged(place);
    await healthy(first);
    await client.setService({ name: 'web', body: { ...service, backends: [`${server.v4}:${server.port}`] } });
    await until(
      'the VIP',
      30_000,
      async () => (await client.vip({ key: 'web' }).catch(() => undefined))?.programmed === 'yes',
    );
    first.kill('SIGKILL');
    await first.exited;
    for (const agent of agents) t.like(await agent.ask('tcp', targetOf(service)), { name: 'one' });
    const second = startUnprivileged(place);
    await healthy(second);
    const { checks } = await client.doctor();
    const strange = checks.filter(({ name, result }) => name === 'other programs' && result !== 'ok');
    t.deepEqual(strange, [], 'programs of its own are no strangers, although their names are hidden from it');
    for (const agent of agents) t.like(await agent.ask('tcp', targetOf(service)), { name: 'one' });
    await client.teardown();
    t.is(await second.exited, 0, second.output);
  },
  program('setpriv'),
);

const lacking = [
  { what: 'capabilities', without: ['CAP_BPF', 'CAP_PERFMON'], flags: [], reason: /lacks CAP_BPF and CAP_PERFMON/ },
  { what: 'a cgroup', without: [], flags: ['--cgroup', '/proc'], reason: /\/proc is no cgroup-v2 directory/ },
  { what: 'a bpffs', without: [], flags: ['--bpffs', '/proc/vipd'], reason: /\/proc\/vipd is not on a bpffs/ },
];
for (const { what, without, flags, reason } of lacking) {
  rootTest(
    `without ${what}, which eBPF needs, the daemon takes IPVS, and where there is none stays up and says why`,
    async (t) => {
      const lab = Lab.create(t);
      const server = await startEcho(lab, lab.site('one'), 'one');
      const agent = await Agent.start(lab, lab.site('client').namespace);
      const directory = directoryOf(lab);
      const place = { lab, tree: publicTree(t), directory };
      const client = createClient(unixTransport(`${directory}/vipd.sock`));
      const child = startUnprivileged(place, without, ...flags);
      lab.beforeRemoval(() => child.stop());
      await until('an answer', 60_000, async () => {
        if (child.result !== undefined) throw new Error(child.output);
        return client.status().catch(() => undefined);
      });
      const { planes, plane, fault } = await client.mode();
      t.regex(planes.find(({ name }) => name === 'ebpf')?.reason ?? '', reason);
      t.is(plane, ipvs.there ? 'ipvs' : 'none');
      if (!ipvs.there) t.regex(`${fault?.cause}`, reason);
      const body = { ...service, backends: [`${server.v4}:${server.port}`] };
      await client.setService({ name: 'web', body });
      if (!ipvs.there) return;
      await until('the VIP', 30_000, async () => (await client.vip({ key: 'web' })).programmed === 'yes');
      t.like(await agent.ask('tcp', targetOf(service)), { name: 'one' });
      await client.teardown();
      t.is(await child.exited, 0, child.output);
    },
    program('setpriv'),
  );
}
