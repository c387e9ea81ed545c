import { formatEndpoint } from '../../model/address.js';
import { vipFqdn } from '../../model/name.js';
import type { BackendStatus, VipStatus } from '../../model/status.js';
import type { ApiPorts } from '../ports.js';
import type { MemberView } from '../routes/cluster.js';
import type { DcosVip, dcosRoutes } from '../routes/dcos.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';

export function dcosHandlers({ cluster, node, status }: ApiPorts): Handlers<typeof dcosRoutes> {
  return {
    dcosVips: async () => dcosVips(status.vips()),
    nodes: async () => {
      const members = cluster.members().filter(({ state }) => state !== 'left' && state !== 'refused');
      // Outside of a cluster, or after it has left one, a node is all the nodes there are.
      return members.length > 0 ? members.map(dcosNode) : [dcosNode({ ...node.self(), heard: Date.now() })];
    },
  };
}

/** The two families of a name are one VIP there. */
function dcosVips(vips: readonly VipStatus[]): Frozen<DcosVip>[] {
  const all = new Map<string, Frozen<DcosVip>>();
  for (const { frontend, vipName, backends } of vips) {
    const { protocol, address, port } = frontend;
    const vip = vipName ? `${vipFqdn(vipName)}:${port}` : formatEndpoint(frontend);
    const before = all.get(`${protocol}/${vip}`);
    const addresses = [...(before?.addresses ?? []), address];
    const backend = [...(before?.backend ?? []), ...backends.map(dcosBackend)];
    all.set(`${protocol}/${vip}`, { vip, protocol, addresses, backend });
  }
  return [...all.values()];
}

function dcosBackend({ address, port, weight, state, node }: BackendStatus) {
  return { ip: address, port, weight: state === 'active' ? weight : 0, state, ...(node !== undefined && { node }) };
}

function dcosNode({ name, addresses, heard }: Pick<Frozen<MemberView>, 'name' | 'addresses' | 'heard'>) {
  return {
    private_ip: addresses[0] ?? '',
    public_ips: [],
    hostname: name,
    updated: new Date(heard).toISOString(),
  };
}
