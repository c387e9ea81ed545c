import type { ApiPorts } from '../ports.js';
import type { Handlers } from '../routes/routes.js';
import { clusterHandlers } from './cluster.js';
import { dcosHandlers } from './dcos.js';
import { dnsHandlers } from './dns.js';
import { endpointHandlers } from './endpoints.js';
import { labelHandlers } from './labels.js';
import { mesosDnsHandlers } from './mesosdns.js';
import { modeHandlers } from './mode.js';
import { nameHandlers } from './names.js';
import { nodeHandlers } from './node.js';
import { serviceHandlers } from './services.js';
import { trafficHandlers } from './traffic.js';
import { vipHandlers } from './vips.js';

export function createHandlers(ports: ApiPorts): Handlers {
  return {
    ...nodeHandlers(ports),
    ...modeHandlers(ports),
    ...vipHandlers(ports),
    ...nameHandlers(ports),
    ...serviceHandlers(ports),
    ...trafficHandlers(ports),
    ...labelHandlers(ports),
    ...endpointHandlers(ports),
    ...dnsHandlers(ports),
    ...mesosDnsHandlers(ports),
    ...clusterHandlers(ports),
    ...dcosHandlers(ports),
  };
}
