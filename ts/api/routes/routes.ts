import { clusterRoutes } from './cluster.js';
import { dcosRoutes } from './dcos.js';
import { dnsRoutes } from './dns.js';
import { endpointRoutes } from './endpoints.js';
import { labelRoutes } from './labels.js';
import { mesosDnsRoutes } from './mesosdns.js';
import { modeRoutes } from './mode.js';
import { nameRoutes } from './names.js';
import { nodeRoutes } from './node.js';
import type { Handler } from './route.js';
import { serviceRoutes } from './services.js';
import { trafficRoutes } from './traffic.js';
import { vipRoutes } from './vips.js';

/** Every route of the API, by the name its method has in the client. */
export const routes = {
  ...nodeRoutes,
  ...modeRoutes,
  ...vipRoutes,
  ...nameRoutes,
  ...serviceRoutes,
  ...trafficRoutes,
  ...labelRoutes,
  ...endpointRoutes,
  ...dnsRoutes,
  ...mesosDnsRoutes,
  ...clusterRoutes,
  ...dcosRoutes,
};

export type Routes = typeof routes;

export type Handlers<R = Routes> = { readonly [K in keyof R & keyof Routes]: Handler<Routes[K]> };
