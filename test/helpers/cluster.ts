import type { Namespace } from '../../ts/quickstart/namespace.js';
import { Lab, type Owner, type Site } from './lab.js';

/**
 * Two nodes, each with a kernel's worth of network and a daemon of its own: `balancer`, behind which a client is, and
 * `host`, which has the workloads. The host reaches the client by a link of its own: what answers that way has passed no
 * balancer.
 */
export interface Cluster {
  readonly balancer: Lab;
  readonly host: Lab;
  readonly client: Site;
  /** The host itself, as the balancer sees it. */
  readonly onHost: Site;
}

/** Sites of the host are numbered from here. */
const HOST_SITES = 10;
/** Of the link between the nodes, and of the one between host and client. */
const between = { v4: '10.78.8', v6: 'fd78:8::' } as const;
const aside = { v4: '10.78.7', v6: 'fd78:7::' } as const;

export function createCluster(owner: Owner, mtu = 1500): Cluster {
  const balancer = Lab.create(owner);
  const host = Lab.create(owner, HOST_SITES);
  const client = balancer.site('client', 'uplink');
  join(balancer.node, host.node, 'up8', 'up8', between, mtu);
  join(host.node, client.namespace, 'up7', 'eth1', aside, mtu);
  for (const scope of ['all', 'default', 'eth0', 'eth1']) client.namespace.sysctl(`ipv4/conf/${scope}/rp_filter`, 0);
  balancer.node.ip(`route add 10.77.0.0/16 via ${between.v4}.2`, `route add fd77::/16 via ${between.v6}2`);
  host.node.ip(
    `route add ${client.v4}/32 via ${aside.v4}.2`,
    `route add ${client.v6}/128 via ${aside.v6}2`,
    `route add default via ${between.v4}.1`,
    `route add default via ${between.v6}1`,
  );
  const ends = { v4: `${between.v4}.2`, v6: `${between.v6}2`, nodeV4: `${between.v4}.1`, nodeV6: `${between.v6}1` };
  return { balancer, host, client, onHost: { namespace: host.node, link: 'up8', ...ends } };
}

function join(a: Namespace, b: Namespace, here: string, there: string, { v4, v6 }: Net, mtu: number): void {
  a.ip(
    `link add ${here} type veth peer name ${there} netns ${b.name}`,
    `address add ${v4}.1/30 dev ${here}`,
    `address add ${v6}1/64 dev ${here} nodad`,
    `link set ${here} mtu ${mtu} up`,
  );
  b.ip(
    `address add ${v4}.2/30 dev ${there}`,
    `address add ${v6}2/64 dev ${there} nodad`,
    `link set ${there} mtu ${mtu} up`,
  );
}

interface Net {
  readonly v4: string;
  readonly v6: string;
}
