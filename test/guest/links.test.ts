import type { ExecutionContext } from 'ava';
import { run } from '../../ts/quickstart/command.js';
import type { Namespace } from '../../ts/quickstart/namespace.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { guest } from '../helpers/kernel-needs.js';
import { Lab, pools, type Site } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Uplinks as machines have them: trunks and bonds. The kernels of containers often have neither.

/** What is made of the link at both ends; the addresses go to the last device. */
type Layers = (at: Namespace, link: string) => string;

const layers: Readonly<Record<string, Layers>> = {
  'one VLAN tag': (at, link) => tagged(at, link, 'outer', '802.1Q', 5),
  'two VLAN tags': (at, link) => tagged(at, tagged(at, link, 'outer', '802.1ad', 6), 'inner', '802.1Q', 7),
  'a bond': bonded,
};

function tagged(at: Namespace, link: string, name: string, protocol: string, id: number): string {
  at.ip(`link add link ${link} name ${name} type vlan protocol ${protocol} id ${id}`, `link set ${name} up`);
  return name;
}

function bonded(at: Namespace, link: string): string {
  at.ip(
    'link add team0 type bond mode active-backup miimon 100',
    `link set ${link} xdpdrv off`,
    `link set ${link} down`,
    `link set ${link} master team0`,
    'link set team0 up',
  );
  return 'team0';
}

/** Moves the addresses of a site's link to what is made of it. */
function layered(lab: Lab, { namespace, link, v4, v6, nodeV4, nodeV6 }: Site, make: Layers): string {
  lab.node.ip(`address flush dev ${link}`);
  namespace.ip('address flush dev eth0');
  // On a wire tags are in the frame; a veth would hand them over beside it.
  const inFrame = (device: string) => ['ethtool', '-K', device, 'txvlan', 'off', 'tx-vlan-stag-hw-insert', 'off'];
  run(lab.node.inside(inFrame(link)));
  run(namespace.inside(inFrame('eth0')));
  const [near, far] = [make(lab.node, link), make(namespace, 'eth0')];
  lab.node.ip(`address add ${nodeV4}/30 dev ${near}`, `address add ${nodeV6}/64 dev ${near} nodad`);
  namespace.ip(`address add ${v4}/30 dev ${far}`, `address add ${v6}/64 dev ${far} nodad`);
  for (const [gateway, pool] of [
    [nodeV4, pools.v4],
    [nodeV6, pools.v6],
  ] as const)
    namespace.ip(`route replace default via ${gateway}`, `route replace ${pool} via ${gateway} metric 1`);
  return near;
}

for (const [what, make] of Object.entries(layers)) {
  rootTest(
    `D18: a client behind ${what} is served by its uplink's hooks`,
    async (t) => {
      run(['modprobe', '-a', '8021q', 'bonding']);
      const lab = Lab.create(t);
      const server = await startEcho(lab, lab.site('one'), 'one');
      const site = lab.site('client', 'uplink');
      const uplink = layered(lab, site, make);
      const client = await Agent.start(lab, site.namespace);
      const services = (['tcp', 'udp'] as const).flatMap((protocol) => [
        serviceOf(`${protocol}4`, '11.0.0.80:80', [server], { protocol }),
        serviceOf(`${protocol}6`, '[fd01:c::80]:80', [server], { protocol }),
      ]);
      // Tags come by the link itself; on a bond vipd finds out by itself what its links can do.
      const flags = what === 'a bond' ? ['--xdp', uplink] : ['--xdp', site.link, '--xdp-mode', 'native'];
      const daemon = await Daemon.start(lab, services, '--tc', 'w*', ...flags);
      await checkServed(t, daemon, client, services);
    },
    guest,
  );
}

async function checkServed(
  t: ExecutionContext,
  daemon: Daemon,
  client: Agent,
  services: readonly Parameters<typeof targetOf>[0][],
): Promise<void> {
  for (const service of services) {
    const manner = service.name.startsWith('udp') ? 'udp' : 'tcp';
    t.deepEqual(await client.tally(manner, targetOf(service), 10), { one: 10 }, service.name);
  }
  const { hooks, verdicts } = await daemon.client.status();
  t.log(hooks.map(({ hook, where, mode }) => `${hook} ${where} ${mode}`).join(', '));
  t.true((verdicts.forwarded ?? 0) > 0 && (verdicts.replied ?? 0) > 0, JSON.stringify(verdicts));
}
