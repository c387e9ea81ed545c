import { RequestError } from '../errors.js';
import type { ApiPorts } from '../ports.js';
import type { clusterRoutes } from '../routes/cluster.js';
import type { Handlers } from '../routes/routes.js';

export function clusterHandlers({ cluster }: ApiPorts): Handlers<typeof clusterRoutes> {
  return {
    members: async () => ({ members: cluster.members() }),
    leave: async () => {
      if (await cluster.leave()) return { left: true };
      const cause = 'this node is in no cluster';
      throw new RequestError(409, { code: 'CLUSTER_NONE', object: 'cluster', cause });
    },
  };
}
