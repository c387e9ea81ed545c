import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Site } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { within } from '../helpers/programs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf } from '../helpers/services.js';

// One source port for one connection after the other.

const onePort = fileURLToPath(new URL('../helpers/programs/one-port.js', import.meta.url));
const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
/** A client's own kernel lets a port go that is waiting for stray packets only when its timestamps have moved on. */
const REUSABLE_MS = 1_200;

async function ask(client: Site, vip: string): Promise<string> {
  const asked = Child.start(client.namespace.inside(within(10, process.execPath, onePort, 'tcp', '41000', vip)));
  return (await asked.success()).trim();
}

/** SYNs that a client had to send again. */
function repeated({ namespace }: Site): number {
  const lines = run(namespace.inside(['cat', '/proc/net/netstat'])).split('\n');
  const [names = [], values = []] = lines.filter((line) => line.startsWith('TcpExt:')).map((line) => line.split(' '));
  return Number(values[names.indexOf('TCPSynRetrans')]);
}

for (const [hook, kind] of [
  ['tc', 'workload'],
  ['xdp', 'uplink'],
] as const) {
  for (const policy of [{}, { exact: true }, { forwarding: 'full-nat' }] as const) {
    rootTest(
      `D19: ${hook}: a source port that is used again is served at once, ${JSON.stringify(policy)}`,
      async (t) => {
        const lab = Lab.create(t);
        // On uplinks, so that full NAT has something to do.
        const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name, 'uplink'), name)));
        const client = lab.site('client', kind);
        client.namespace.sysctl('ipv4/tcp_tw_reuse', 1);
        const services = (name: string) => {
          const some = servers.filter((server) => server.name === name);
          return vips.map((vip, i) => serviceOf(`web${i}`, vip, some, policy));
        };
        const daemon = await Daemon.start(lab, services('one'));
        for (const vip of vips) t.is(await ask(client, vip), 'one', vip);
        const before = repeated(client);
        await sleep(REUSABLE_MS);
        for (const vip of vips) t.is(await ask(client, vip), 'one', `${vip}, its entry is closing`);
        await daemon.serve(services('two'));
        await sleep(REUSABLE_MS);
        for (const vip of vips) t.is(await ask(client, vip), 'two', `${vip}, its backend is gone`);
        t.is(repeated(client), before, 'a SYN was lost');
      },
    );
  }
}
