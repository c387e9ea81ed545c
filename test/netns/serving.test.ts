import { fileURLToPath } from 'node:url';
import { formatEndpoint } from '../../ts/model/address.js';
import { Child } from '../../ts/quickstart/child.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { within } from '../helpers/programs.js';
import { hooks } from '../helpers/scene.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf, vipText } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';

// A VIP means the same thing whichever hook meets it: each test here runs by all three.

const names = ['one', 'two', 'three'];
const both = (servers: readonly EchoServer[]) => [
  serviceOf('tcp4', '11.0.0.80:80', servers),
  serviceOf('tcp6', '[fd01:c::80]:80', servers),
  serviceOf('udp4', '11.0.0.80:80', servers, { protocol: 'udp' }),
  serviceOf('udp6', '[fd01:c::80]:80', servers, { protocol: 'udp' }),
];

const scenes = Object.fromEntries(hooks.map((hook) => [hook, shareScene(hook, names)]));

for (const hook of hooks) {
  rootTest(`${hook}: a VIP answers over both protocols and families, from every backend`, async (t) => {
    const { client, servers } = await scenes[hook]!(both);
    for (const service of both(servers)) {
      for (const manner of service.protocol === 'udp' ? (['udp', 'udp-connected'] as const) : (['tcp'] as const)) {
        const tally = await client.tally(manner, targetOf(service), 60);
        t.deepEqual(
          Object.keys(tally).sort(),
          ['one', 'three', 'two'],
          `${service.name} ${manner} ${JSON.stringify(tally)}`,
        );
      }
    }
  });

  rootTest(`${hook}: the client sees the VIP, the backend sees the client`, async (t) => {
    const { client, servers } = await scenes[hook]!((all) => both(all.slice(0, 1)));
    const [server] = servers;
    for (const service of both(servers.slice(0, 1))) {
      const target = targetOf(service);
      const manner = service.protocol ?? 'tcp';
      const direct = await client.ask(manner, {
        address: vipText(service).startsWith('[') ? server!.v6 : server!.v4,
        port: server!.port,
      });
      const answer = await client.ask(manner, target);
      t.deepEqual(answer, { ...direct, from: target }, service.name);
    }
  });

  rootTest(`${hook}: an unserved port and a VIP without backends are refused at once`, async (t) => {
    const empty = (protocol: 'tcp' | 'udp') =>
      [`11.0.0.81:80`, '[fd01:c::81]:80'].map((vip, i) => ({
        name: `empty-${protocol}${i}`,
        vip,
        protocol,
        backends: [],
      }));
    const { client } = await scenes[hook]!((all) => [...both(all.slice(0, 1)), ...empty('tcp'), ...empty('udp')]);
    for (const address of ['11.0.0.80', 'fd01:c::80', '11.0.0.99', 'fd01:c::99']) {
      for (const manner of ['tcp', 'udp-connected'] as const) {
        t.deepEqual(await client.ask(manner, { address, port: 81 }), { error: 'ECONNREFUSED' }, `${manner} ${address}`);
      }
    }
    for (const address of ['11.0.0.81', 'fd01:c::81']) {
      for (const manner of ['tcp', 'udp-connected'] as const) {
        t.deepEqual(await client.ask(manner, { address, port: 80 }), { error: 'ECONNREFUSED' }, `${manner} ${address}`);
      }
    }
  });

  rootTest(`D13: ${hook}: traffic that goes to a backend directly is not touched`, async (t) => {
    const { client, servers, daemon } = await scenes[hook]!((all) => both(all.slice(0, 1)));
    const [{ v4, v6, port }] = servers as [EchoServer];
    const before = await daemon.client.vips();
    for (const address of [v4, v6]) {
      for (const manner of ['tcp', 'udp', 'udp-connected'] as const) {
        t.like(await client.ask(manner, { address, port }), { name: 'one', from: { address, port } });
      }
    }
    t.deepEqual(
      (await daemon.client.vips()).vips.map((vip) => vip.counters),
      before.vips.map((vip) => vip.counters),
    );
  });
}

const onePort = fileURLToPath(new URL('../helpers/programs/one-port.js', import.meta.url));
for (const [hook, kind] of [
  ['tc', 'workload'],
  ['xdp', 'uplink'],
] as const) {
  rootTest(`D13: ${hook}: one port goes to the VIP, to its backend directly, and to the VIP again`, async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one'), 'one');
    const { namespace } = lab.site('client', kind);
    const services = both([server]);
    await Daemon.start(lab, services);
    for (const address of [server.v4, server.v6]) {
      const direct = formatEndpoint({ address, port: server.port });
      const vip = address === server.v4 ? '11.0.0.80:80' : '[fd01:c::80]:80';
      for (const target of [vip, direct, vip, direct]) {
        const asked = Child.start(namespace.inside(within(10, process.execPath, onePort, 'tcp', '41000', target)));
        t.is((await asked.success()).trim(), 'one', target);
      }
    }
  });
}
