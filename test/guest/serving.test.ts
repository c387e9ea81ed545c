import { cgroupRoot } from '../../ts/quickstart/cgroup.js';
import { run } from '../../ts/quickstart/command.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { guest } from '../helpers/kernel-needs.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// The sock hook at the root of the cgroups would take every process of the machine: only a guest can be had for that.

rootTest(
  'a node serves by the sock hook at the cgroup root, tc and xdp at once, and refuses what nobody serves',
  async (t) => {
    const lab = Lab.create(t);
    const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
    const services = [
      serviceOf('tcp4', '11.0.0.80:80', servers),
      serviceOf('tcp6', '[fd01:c::80]:80', servers),
      serviceOf('udp4', '11.0.0.80:80', servers, { protocol: 'udp' }),
      serviceOf('udp6', '[fd01:c::80]:80', servers, { protocol: 'udp' }),
    ];
    const clients = {
      sock: await Agent.start(lab, lab.node),
      tc: await Agent.start(lab, lab.site('workload').namespace),
      xdp: await Agent.start(lab, lab.site('outside', 'uplink').namespace),
    };
    const daemon = await Daemon.start(lab, services, '--cgroup', cgroupRoot());
    for (const [hook, client] of Object.entries(clients)) {
      for (const service of services) {
        const tally = await client.tally(service.protocol ?? 'tcp', targetOf(service), 20);
        t.deepEqual(Object.keys(tally).sort(), ['one', 'two'], `${hook} ${service.name} ${JSON.stringify(tally)}`);
        const unserved = await client.ask('tcp', { ...targetOf(service), port: 81 });
        t.deepEqual(unserved, { error: 'ECONNREFUSED' }, `${hook} beside ${service.name}`);
      }
    }
    const { hooks } = await daemon.client.status();
    t.log(hooks.map(({ hook, where, mode }) => `${hook} ${where} ${mode}`).join(', '));
    t.true(hooks.every(({ attached }) => attached));
    t.true(await daemon.uninstall());
    t.notRegex(run(lab.node.inside(['tc', 'qdisc', 'show'])), /clsact/, 'without TCX no qdisc of ours is left either');
  },
  guest,
);
