import { RequestError } from '../errors.js';
import type { ApiPorts } from '../ports.js';
import type { clusterRoutes, MemberView } from '../routes/cluster.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';

export function clusterHandlers({ cluster }: ApiPorts): Handlers<typeof clusterRoutes> {
  return {
    members: async () => ({ members: cluster.members() }),
    nodes: async () =>
      cluster
        .members()
        .filter(({ state }) => state !== 'left' && state !== 'refused')
        .map(dcosNode),
    leave: async () => {
      if (await cluster.leave()) return { left: true };
      const cause = 'this node is in no cluster';
      throw new RequestError(409, { code: 'CLUSTER_NONE', object: 'cluster', cause });
    },
  };
}

function dcosNode({ name, addresses, heard }: Frozen<MemberView>) {
  return {
    private_ip: addresses[0] ?? '',
    public_ips: [],
    hostname: name,
    updated: new Date(heard).toISOString(),
  };
}
