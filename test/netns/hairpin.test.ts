import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { share } from '../helpers/shared-scene.js';

// A client in the same namespace as its own backend: what it sends to the VIP comes back to itself.

const services = (servers: readonly EchoServer[]) => [
  serviceOf('tcp4', '11.0.0.80:80', servers),
  serviceOf('tcp6', '[fd01:c::80]:80', servers),
  serviceOf('udp4', '11.0.0.80:80', servers, { protocol: 'udp' }),
  serviceOf('udp6', '[fd01:c::80]:80', servers, { protocol: 'udp' }),
];

for (const hook of ['sock', 'tc'] as const) {
  const stage = share(async (owner) => {
    const lab = Lab.create(owner);
    const site = lab.site('both');
    const servers = [await startEcho(lab, site, 'self'), await startEcho(lab, lab.site('other'), 'other')];
    const client = await Agent.start(lab, site.namespace, hook === 'sock' ? lab.cgroup : undefined);
    return { servers, client, daemon: await Daemon.start(lab, []) };
  });

  rootTest(`${hook}: a client reaches itself through the VIP`, async (t) => {
    const { servers, client, daemon } = await stage();
    const all = services(servers.slice(0, 1));
    await daemon.serve(all);
    for (const service of all) {
      const target = targetOf(service);
      t.like(await client.ask(service.protocol ?? 'tcp', target), { name: 'self', from: target }, service.name);
    }
  });

  rootTest(`${hook}: a client that is one of two backends reaches both`, async (t) => {
    const { servers, client, daemon } = await stage();
    await daemon.serve(services(servers));
    for (const service of services(servers)) {
      const tally = await client.tally(service.protocol ?? 'tcp', targetOf(service), 40);
      t.deepEqual(Object.keys(tally).sort(), ['other', 'self'], `${service.name} ${JSON.stringify(tally)}`);
    }
  });
}
