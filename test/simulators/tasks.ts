import type { Json, SimulatedTask } from './world.js';

export interface TaskSpec {
  readonly id: string;
  readonly name?: string;
  readonly framework?: string;
  readonly agent: string;
  readonly addresses: readonly string[];
  readonly ports?: readonly PortSpec[];
  /** Container port and host port of each mapping; tcp where nothing else is said. */
  readonly mappings?: readonly (readonly [container: number, host: number, protocol?: string])[];
  /** Whether Docker runs it; a task with mappings is one of Docker's unless this says otherwise. */
  readonly docker?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly resources?: readonly (readonly [begin: number, end: number])[];
  readonly checked?: boolean;
  readonly state?: string;
  readonly healthy?: boolean;
}

export interface PortSpec {
  readonly number: number;
  readonly name?: string;
  readonly protocol?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A task as Mesos tells it. */
export function simulatedTask(spec: TaskSpec): SimulatedTask {
  const { id, agent, framework = 'F-0001', state = 'TASK_RUNNING' } = spec;
  const message = {
    task_id: { value: id },
    framework_id: { value: framework },
    agent_id: { value: agent },
    name: spec.name ?? id,
    state,
    statuses: state === 'TASK_STAGING' ? [] : [statusOf(spec, state)],
    resources: resourcesOf(spec),
    discovery: discoveryOf(spec),
    ...(spec.labels && { labels: labelsOf(spec.labels) }),
    ...(spec.checked && { health_check: { type: 'HTTP', http: { port: spec.ports?.[0]?.number ?? 80 } } }),
    ...(spec.mappings && { container: containerOf(spec.mappings, spec.docker ?? true) }),
  };
  return { id, frameworkId: framework, agentId: agent, message };
}

export function statusOf({ id, addresses, healthy }: TaskSpec, state: string): Json {
  const ip_addresses = addresses.map((ip_address) => ({
    ip_address,
    protocol: ip_address.includes(':') ? 'IPv6' : 'IPv4',
  }));
  return {
    task_id: { value: id },
    state,
    timestamp: 1_700_000_000,
    container_status: { network_infos: [{ ip_addresses }] },
    ...(healthy === undefined ? {} : { healthy }),
  };
}

export function labelsOf(values: Readonly<Record<string, string>>): Json {
  return { labels: Object.entries(values).map(([key, value]) => ({ key, value })) };
}

function resourcesOf({ resources = [] }: TaskSpec): Json[] {
  const cpus = { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } };
  if (resources.length === 0) return [cpus];
  return [
    cpus,
    { name: 'ports', type: 'RANGES', ranges: { range: resources.map(([begin, end]) => ({ begin, end })) } },
  ];
}

function discoveryOf({ id, name = id, ports = [] }: TaskSpec): Json {
  const described = ports.map(({ number, name, protocol = 'tcp', labels = {} }) => {
    return { number, protocol, ...(name === undefined ? {} : { name }), labels: labelsOf(labels) };
  });
  return { visibility: 'FRAMEWORK', name, ports: { ports: described } };
}

function containerOf(mappings: NonNullable<TaskSpec['mappings']>, docker: boolean): Json {
  const port_mappings = mappings.map(([container_port, host_port, protocol = 'tcp']) => {
    return { container_port, host_port, protocol };
  });
  if (!docker) return { type: 'MESOS', network_infos: [{ port_mappings }] };
  return { type: 'DOCKER', docker: { image: 'web', network: 'BRIDGE', port_mappings } };
}
