import { formatPrefix } from '../../model/address.js';
import type { BackendState, VipStatus } from '../../model/status.js';
import type { ApiPorts, DnsPort } from '../ports.js';
import type { NodeStatus, nodeRoutes } from '../routes/node.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';

export function nodeHandlers(ports: ApiPorts): Handlers<typeof nodeRoutes> {
  const { node } = ports;
  return {
    status: () => nodeStatus(ports),
    doctor: () => node.doctor(),
    exec: async () => ({ cgroup: node.cgroup }),
    teardown: async () => {
      await node.teardown();
      return { removed: true };
    },
    metrics: () => node.metrics(),
  };
}

async function nodeStatus({ node, status, plane, mode: modes, dns }: ApiPorts): Promise<Frozen<NodeStatus>> {
  const [hooks, sources, reconcile, vips] = [plane.hooks(), status.sources(), status.reconcile(), status.vips()];
  const verdicts = Object.entries(await plane.verdicts()).map(([name, n]) => [name, Number(n)] as const);
  const mode = modes.mode();
  const healthy =
    mode.fault === undefined &&
    reconcile.converged &&
    reconcile.faults.length === 0 &&
    status.faults().length === 0 &&
    hooks.every((hook) => hook.attached && hook.fault === undefined) &&
    sources.every((source) => source.reported && source.faults.length === 0) &&
    vips.every((vip) => vip.programmed === 'yes');
  return {
    healthy,
    version: node.version,
    pid: process.pid,
    started: node.started,
    plane: plane.name,
    mode,
    pools: status.desired().pools.map(formatPrefix),
    hooks,
    sources,
    reconcile,
    faults: status.faults(),
    vips: vips.length,
    names: status.names().size,
    backends: countStates(vips),
    ...(dns && { dns: dnsStatus(dns) }),
    tables: plane.tables(),
    verdicts: Object.fromEntries(verdicts),
  };
}

function dnsStatus(dns: DnsPort): NonNullable<Frozen<NodeStatus>['dns']> {
  const ready = dns.zones().every((zone) => zone.ready);
  return { listeners: dns.listeners(), ready, upstreams: dns.upstreams().length };
}

function countStates(vips: readonly VipStatus[]): Record<BackendState, number> {
  const counts: Record<BackendState, number> = { active: 0, draining: 0, down: 0, pending: 0, standby: 0, ejected: 0 };
  for (const vip of vips) for (const backend of vip.backends) counts[backend.state] += 1;
  return counts;
}
