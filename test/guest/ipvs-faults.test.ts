import { run } from '../../ts/quickstart/command.js';
import { Daemon } from '../helpers/daemon.js';
import { scene, services, withoutModule } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// What a node lacks for IPVS is named, and no reason to serve less than it can. Takes minutes, so only `test:kernels` has it.

rootTest(
  'ipvs: settings that cannot be written and a scheduler that is not there are named, and what can be served is',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const inside = (...argv: string[]) => run(lab.node.inside(argv));
    inside('modprobe', 'ip_vs');
    await withoutModule(t, 'ip_vs_twos');
    run(['mount', '--bind', '/proc/sys', '/proc/sys']);
    t.teardown(() => run(['umount', '/proc/sys']));
    run(['mount', '-o', 'remount,ro,bind', '/proc/sys']);
    const [web] = services(servers);
    const random = serviceOf('random', '11.0.0.82:80', servers, { schedule: 'random' });
    const daemon = await Daemon.start(lab, [web!], '--mode', 'ipvs');
    t.like(await clients.workload.ask('tcp', targetOf(web!)), { from: targetOf(web!) });
    const { hooks, healthy } = await daemon.client.status();
    const faults = hooks.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
    t.deepEqual(faults.map(({ object }) => object).sort(), [
      'sysctl net.ipv4.vs.conntrack',
      'sysctl net.ipv4.vs.expire_nodest_conn',
      'sysctl net.ipv4.vs.expire_quiescent_template',
    ]);
    t.true(faults.every(({ code, cause }) => code === 'SYSCTL_UNSETTABLE' && /EROFS/.test(cause)));
    t.false(healthy);
    daemon.write([web!, random]);
    const [failed] = await daemon.failures();
    t.like(failed, { name: 'random', fault: { code: 'SCHEDULER_MISSING' } });
    t.regex(failed?.fault?.cause ?? '', /no scheduler twos: the module ip_vs_twos is not there/);
    t.like(await clients.workload.ask('tcp', targetOf(web!)), { from: targetOf(web!) });
  },
  guest,
  ipvs,
);
