import type { DiscoveryPort, TaskMessage } from '../mesos/wire.js';
import type { App, AppTask, Instance, Pod, PortMapping } from './wire.js';

/** What a framework's tasks are told under. */
export interface Owner {
  readonly frameworkId: string;
}

/** The name Marathon gives the tasks of an app in Mesos: its path from the end to the beginning, joined by dots. */
export function taskName(id: string): string {
  return id.split('/').filter(Boolean).reverse().join('.');
}

/** A task of an app as Marathon tells Mesos of it; so that labels mean the same wherever they are read. */
export function appMessage(app: App, task: AppTask, { frameworkId }: Owner, healthy: boolean | undefined): TaskMessage {
  const ports = task.ports ?? [];
  const mappings = mappingsOf(app);
  const own = (task.ipAddresses ?? []).flatMap(({ ipAddress }) => ipAddress ?? []);
  const addresses = own.length > 0 ? own : mappings || app.ipAddress ? [] : [task.host];
  return {
    task_id: { value: task.id },
    framework_id: { value: frameworkId },
    agent_id: { value: task.slaveId ?? task.host },
    name: taskName(app.id),
    state: task.state ?? 'TASK_RUNNING',
    statuses: [statusOf(addresses, healthy)],
    labels: labelsOf(app.labels),
    discovery: { name: taskName(app.id), ports: { ports: [...discoveryPorts(app, ports, mappings)] } },
    ...(mappings && { container: containerOf(app, mappings, ports) }),
    ...(ports.length > 0 && { resources: [{ name: 'ports', ranges: { range: ports.map(single) } }] }),
  };
}

/** A container of a pod's instance, likewise. */
export function podMessages(pod: Pod, instance: Instance, { frameworkId }: Owner): readonly TaskMessage[] {
  const host = instance.agentHostname ?? '';
  const own = (instance.networks ?? []).flatMap(({ addresses }) => addresses ?? []);
  return (pod.spec.containers ?? []).map((spec) => {
    const now = (instance.containers ?? []).find(({ name }) => name === spec.name);
    const allocated = new Map((now?.endpoints ?? []).map((one) => [one.name, one]));
    const endpoints = spec.endpoints ?? [];
    const ports = endpoints.flatMap((one) => {
      const hostPort = allocated.get(one.name)?.allocatedHostPort ?? undefined;
      return (one.protocol ?? ['tcp']).map((protocol) =>
        scoped({ ...one, protocol }, one.containerPort ?? 0, hostPort),
      );
    });
    const checks = [...allocated.values()].flatMap(({ healthy }) => healthy ?? []);
    return {
      task_id: { value: `${instance.id}.${spec.name}` },
      framework_id: { value: frameworkId },
      agent_id: { value: instance.agentId ?? host },
      name: taskName(pod.id),
      state: now?.status ?? 'TASK_STAGING',
      statuses: [statusOf(own.length > 0 ? own : [host], checks.length === 0 ? undefined : checks.every(Boolean))],
      discovery: { name: taskName(pod.id), ports: { ports } },
    };
  });
}

/** undefined in host mode. */
function mappingsOf({ networks, container }: App): readonly PortMapping[] | undefined {
  const old = container?.docker;
  if (networks?.some(({ mode }) => mode === 'host') || old?.network === 'HOST') return undefined;
  return container?.portMappings ?? old?.portMappings ?? undefined;
}

/** Whether every mapping has a host port, asked for or not. */
function isBridge({ networks, container }: App): boolean {
  return (networks ?? []).some(({ mode }) => mode === 'container/bridge') || container?.docker?.network === 'BRIDGE';
}

interface Placed {
  readonly mapping: PortMapping;
  readonly containerPort: number;
  readonly hostPort: number | undefined;
}

/** The assigned ports go to the mappings that have a host port, in their order. */
function placed(app: App, mappings: readonly PortMapping[], ports: readonly number[]): readonly Placed[] {
  const left = [...ports];
  return mappings.map((mapping) => {
    const hostPort = isBridge(app) || typeof mapping.hostPort === 'number' ? left.shift() : undefined;
    return { mapping, hostPort, containerPort: mapping.containerPort || (hostPort ?? 0) };
  });
}

function discoveryPorts(
  app: App,
  ports: readonly number[],
  mappings?: readonly PortMapping[],
): readonly DiscoveryPort[] {
  const listed = (app.ipAddress?.discovery?.ports ?? []).flatMap((one) =>
    split(one, (each) => scoped(each, one.number)),
  );
  if (mappings) {
    const mapped = placed(app, mappings, ports).flatMap(({ mapping, containerPort, hostPort }) =>
      split(mapping, (one) => scoped(one, containerPort, hostPort)),
    );
    return [...mapped, ...listed];
  }
  const defined = (app.portDefinitions ?? []).flatMap((one, i) => split(one, (each) => described(each, ports[i] ?? 0)));
  return [...defined, ...listed];
}

type Described = {
  readonly name?: string | null;
  readonly protocol?: string | null;
  readonly labels?: Record<string, string> | null;
};

/** Marathon tells `udp,tcp` as two ports of one number. */
function split(port: Described, make: (port: Described) => DiscoveryPort): readonly DiscoveryPort[] {
  return (port.protocol ?? 'tcp').split(',').map((protocol) => make({ ...port, protocol }));
}

function described({ name, protocol, labels }: Described, number: number, scope?: string): DiscoveryPort {
  const scoped = scope === undefined ? labels : { ...labels, 'network-scope': scope };
  return { number, protocol: protocol ?? 'tcp', ...(name && { name }), labels: labelsOf(scoped) };
}

function scoped(port: Described, containerPort: number, hostPort?: number): DiscoveryPort {
  if (hostPort !== undefined) return described(port, hostPort, 'host');
  return described(port, containerPort, 'container');
}

function containerOf(
  app: App,
  mappings: readonly PortMapping[],
  ports: readonly number[],
): NonNullable<TaskMessage['container']> {
  const port_mappings = placed(app, mappings, ports).flatMap(({ mapping, containerPort, hostPort }) =>
    (mapping.protocol ?? 'tcp').split(',').map((protocol) => {
      return { protocol, container_port: containerPort, host_port: hostPort ?? 0 };
    }),
  );
  if (app.container?.type === 'DOCKER') return { type: 'DOCKER', docker: { port_mappings } };
  return { type: 'MESOS', network_infos: [{ port_mappings }] };
}

function statusOf(addresses: readonly string[], healthy: boolean | undefined) {
  const ip_addresses = addresses.map((ip_address) => ({ ip_address }));
  const status = { container_status: { network_infos: [{ ip_addresses }] } };
  return healthy === undefined ? status : { ...status, healthy };
}

function labelsOf(values: Record<string, string> | null | undefined) {
  return { labels: Object.entries(values ?? {}).map(([key, value]) => ({ key, value })) };
}

function single(port: number) {
  return { begin: port, end: port };
}
