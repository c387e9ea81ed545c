import { cgroupRoot } from '../../ts/quickstart/cgroup.js';
import { run } from '../../ts/quickstart/command.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { ipvs } from '../helpers/kernel-needs.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// A VIP means the same under IPVS as under eBPF. The services are read back with ipvsadm, which shares nothing with us.

const services = (servers: readonly EchoServer[]) => [
  serviceOf('tcp4', '11.0.0.80:80', servers),
  serviceOf('tcp6', '[fd01:c::80]:80', servers),
  serviceOf('udp4', '11.0.0.80:80', servers, { protocol: 'udp' }),
  serviceOf('udp6', '[fd01:c::80]:80', servers, { protocol: 'udp' }),
];

async function scene(t: Parameters<Parameters<typeof rootTest>[1]>[0]) {
  const lab = Lab.create(t);
  const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
  const clients = {
    local: await Agent.start(lab, lab.node),
    workload: await Agent.start(lab, lab.site('workload').namespace),
    outside: await Agent.start(lab, lab.site('outside', 'uplink').namespace),
  };
  return { lab, servers, clients };
}

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
    const counters = (await daemon.client.vips()).vips.map(({ counters }) => counters?.connections ?? 0);
    t.true(counters.slice(0, 4).every((connections) => connections > 0));
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
