import { cgroupRoot } from '../../ts/quickstart/cgroup.js';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { scene, services, withoutModule } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// A VIP means the same under IPVS as under eBPF. The services are read back with ipvsadm, which shares nothing with us.

rootTest(
  // The first of all, for nobody uses the module yet.
  'ipvs: where its module cannot be loaded that is said; auto serves without a plane everything else',
  async (t) => {
    const lab = Lab.create(t);
    await withoutModule(t, 'ip_vs', 'ip_vs_mh', 'ip_vs_wrr', 'ip_vs_wlc', 'ip_vs_twos');
    const daemon = await Daemon.begin(lab, [], '--mode', 'ipvs', '--cgroup', '/proc');
    const { plane, fault } = await daemon.client.mode();
    t.is(plane, 'none');
    t.regex(fault?.cause ?? '', /ipvs: this kernel \(.*\) has no IPVS: there is no module ip_vs/);
    const error = await t.throwsAsync(daemon.client.setMode({ body: { mode: 'auto' } }));
    t.regex(error?.message ?? '', /\/proc is no cgroup-v2 directory.*has no IPVS/);
  },
  guest,
);

rootTest(
  'ipvs: both protocols and families from the node, a workload and outside; what nobody serves is refused',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const all = services(servers);
    const empty = serviceOf('empty', '11.0.0.81:80', []);
    const daemon = await Daemon.start(lab, [...all, empty], '--mode', 'ipvs', '--cgroup', cgroupRoot());
    const { plane, healthy, hooks } = await daemon.client.status();
    t.is(plane, 'ipvs');
    t.true(healthy, JSON.stringify(hooks));
    for (const [where, client] of Object.entries(clients)) {
      for (const service of all) {
        const target = targetOf(service);
        const tally = await client.tally(service.protocol ?? 'tcp', target, 12);
        t.deepEqual(Object.keys(tally).sort(), ['one', 'two'], `${where} ${service.name} ${JSON.stringify(tally)}`);
        t.like(await client.ask(service.protocol ?? 'tcp', target), { from: target }, `${where} ${service.name}`);
        for (const manner of ['tcp', 'udp-connected'] as const) {
          const unserved = await client.ask(manner, { ...target, port: 81 });
          t.deepEqual(unserved, { error: 'ECONNREFUSED' }, `${where} ${manner} beside ${service.name}`);
        }
      }
      t.deepEqual(await client.ask('tcp', { address: '11.0.0.99', port: 80 }), { error: 'ECONNREFUSED' }, where);
      t.deepEqual(await client.ask('tcp', targetOf(empty)), { error: 'ECONNREFUSED' }, where);
    }
    const listed = run(lab.node.inside(['ipvsadm', '-Ln']));
    t.regex(listed, /TCP +11\.0\.0\.80:80 mh/);
    t.regex(listed, new RegExp(`-> ${servers[0]!.v4}:7000 +Masq +1 `));
    // The kernel adds them up every two seconds.
    await until('counted connections of every VIP', 30_000, async () => {
      const { vips } = await daemon.client.vips();
      const served = vips.filter(({ name }) => name !== empty.name);
      return served.length === all.length && served.every(({ counters }) => Number(counters?.connections) > 0);
    });
    const { verdicts: before } = await daemon.client.status();
    await daemon.serve([]);
    const { verdicts: after } = await daemon.client.status();
    for (const [name, n] of Object.entries(before)) t.true((after[name] ?? 0) >= n && n > 0, `${name} of what is gone`);
  },
  ipvs,
  program('ipvsadm'),
);

rootTest(
  'ipvs: what others do by hand is named or repaired, and all is as before when vipd is gone',
  async (t) => {
    const { lab, servers } = await scene(t);
    const inside = (...argv: string[]) => run(lab.node.inside(argv));
    inside('modprobe', 'ip_vs');
    const setting = '/proc/sys/net/ipv4/vs/expire_nodest_conn';
    const foreign = ['-t', '192.0.2.1:80'];
    inside('ipvsadm', '-A', ...foreign, '-s', 'rr');
    inside('ipvsadm', '-A', '-t', '11.0.0.82:80', '-s', 'rr');
    const before = [inside('cat', setting), inside('ip', 'route', 'show', 'table', 'local')];
    const taken = serviceOf('taken', '11.0.0.82:80', servers);
    const all = services(servers);
    const daemon = await Daemon.start(lab, all, '--mode', 'ipvs', '--reconcile-interval', '1s');
    daemon.write([...all, taken]);
    const [failed] = await daemon.failures();
    t.like(failed, { name: 'taken', fault: { code: 'FOREIGN_SERVICE' } });
    await daemon.serve(all);

    inside('ipvsadm', '-D', '-t', '11.0.0.80:80');
    inside('nft', 'delete', 'table', 'inet', 'vipd');
    await daemon.drifts();
    await daemon.holds(all);
    t.regex(inside('ipvsadm', '-Ln'), /TCP +11\.0\.0\.80:80 mh/);
    t.regex(inside('nft', 'list', 'table', 'inet', 'vipd'), /masquerade/);

    const hasAll = () =>
      inside('cat', setting).trim() === '1' &&
      /local 11\.0\.0\.0\/8/.test(inside('ip', 'route', 'show', 'table', 'local')) &&
      inside('nft', 'list', 'set', 'inet', 'vipd', 'backends4').includes(`${servers[0]!.v4} . `);
    t.true(hasAll());
    inside('sysctl', '-qw', 'net.ipv4.vs.expire_nodest_conn=0');
    inside('ip', 'route', 'del', 'local', '11.0.0.0/8', 'table', 'local');
    inside('nft', 'flush', 'set', 'inet', 'vipd', 'backends4');
    t.false(hasAll());
    await until('the repair of all that is around IPVS', 20_000, async () => hasAll());

    await daemon.end('SIGKILL');
    t.regex(inside('ipvsadm', '-Ln'), /TCP +11\.0\.0\.80:80 mh/, 'it serves on without the daemon');
    t.true(await daemon.uninstall());
    const left = inside('ipvsadm', '-Ln');
    t.regex(left, /192\.0\.2\.1:80/);
    t.notRegex(left, /11\.0\.0\.80:80/);
    t.deepEqual([inside('cat', setting), inside('ip', 'route', 'show', 'table', 'local')], before);
  },
  ipvs,
  program('ipvsadm'),
);
