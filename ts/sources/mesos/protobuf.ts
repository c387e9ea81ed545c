import protobuf from 'protobufjs/light.js';

/**
 * What is read of the master's stream, with the field numbers that mesos.proto and master.proto (Mesos v1) document.
 * Everything else in a message is skipped. Names are those of the JSON, so that both encodings come to the same.
 */

type Field = { readonly type: string; readonly id: number; readonly rule?: 'repeated' };
type Message = { readonly fields: Readonly<Record<string, Field>> };

/** `name: 'Type = 1'`, `[]` behind the type for a repeated one. */
function message(fields: Readonly<Record<string, string>>): Message {
  const read = Object.entries(fields).map(([name, text]): [string, Field] => {
    const [, type = '', many, id] = /^(\w+)(\[\])? = (\d+)$/.exec(text) ?? [];
    return [name, { type, id: Number(id), ...(many === undefined ? {} : { rule: 'repeated' as const }) }];
  });
  return { fields: Object.fromEntries(read) };
}

const id = message({ value: 'string = 1' });

const states = {
  TASK_STARTING: 0,
  TASK_RUNNING: 1,
  TASK_FINISHED: 2,
  TASK_FAILED: 3,
  TASK_KILLED: 4,
  TASK_LOST: 5,
  TASK_STAGING: 6,
  TASK_ERROR: 7,
  TASK_KILLING: 8,
  TASK_DROPPED: 9,
  TASK_UNREACHABLE: 10,
  TASK_GONE: 11,
  TASK_GONE_BY_OPERATOR: 12,
  TASK_UNKNOWN: 13,
};

const events = {
  UNKNOWN: 0,
  SUBSCRIBED: 1,
  TASK_ADDED: 2,
  TASK_UPDATED: 3,
  AGENT_ADDED: 4,
  AGENT_REMOVED: 5,
  FRAMEWORK_ADDED: 6,
  FRAMEWORK_UPDATED: 7,
  FRAMEWORK_REMOVED: 8,
  HEARTBEAT: 9,
};

const schema = {
  TaskState: { values: states },
  EventType: { values: events },
  ContainerType: { values: { DOCKER: 1, MESOS: 2 } },
  DockerNetwork: { values: { HOST: 1, BRIDGE: 2, NONE: 3, USER: 4 } },
  ValueType: { values: { SCALAR: 0, RANGES: 1, SET: 2, TEXT: 3 } },
  AddressProtocol: { values: { IPv4: 1, IPv6: 2 } },
  FrameworkID: id,
  AgentID: id,
  TaskID: id,
  Label: message({ key: 'string = 1', value: 'string = 2' }),
  Labels: message({ labels: 'Label[] = 1' }),
  Scalar: message({ value: 'double = 1' }),
  Range: message({ begin: 'uint64 = 1', end: 'uint64 = 2' }),
  Ranges: message({ range: 'Range[] = 1' }),
  Resource: message({ name: 'string = 1', type: 'ValueType = 2', scalar: 'Scalar = 3', ranges: 'Ranges = 4' }),
  PortMapping: message({ host_port: 'uint32 = 1', container_port: 'uint32 = 2', protocol: 'string = 3' }),
  IPAddress: message({ protocol: 'AddressProtocol = 1', ip_address: 'string = 2' }),
  NetworkInfo: message({ ip_addresses: 'IPAddress[] = 5', name: 'string = 6', port_mappings: 'PortMapping[] = 7' }),
  DockerInfo: message({ network: 'DockerNetwork = 2', port_mappings: 'PortMapping[] = 3' }),
  ContainerInfo: message({ type: 'ContainerType = 1', docker: 'DockerInfo = 3', network_infos: 'NetworkInfo[] = 7' }),
  ContainerStatus: message({ network_infos: 'NetworkInfo[] = 1' }),
  Port: message({ number: 'uint32 = 1', name: 'string = 2', protocol: 'string = 3', labels: 'Labels = 5' }),
  Ports: message({ ports: 'Port[] = 1' }),
  DiscoveryInfo: message({ name: 'string = 2', ports: 'Ports = 6', labels: 'Labels = 7' }),
  HealthCheck: message({}),
  TaskStatus: message({
    task_id: 'TaskID = 1',
    state: 'TaskState = 2',
    timestamp: 'double = 6',
    healthy: 'bool = 8',
    container_status: 'ContainerStatus = 13',
  }),
  Task: message({
    name: 'string = 1',
    task_id: 'TaskID = 2',
    framework_id: 'FrameworkID = 3',
    agent_id: 'AgentID = 5',
    state: 'TaskState = 6',
    resources: 'Resource[] = 7',
    statuses: 'TaskStatus[] = 8',
    labels: 'Labels = 11',
    discovery: 'DiscoveryInfo = 12',
    container: 'ContainerInfo = 13',
    health_check: 'HealthCheck = 15',
  }),
  FrameworkInfo: message({ name: 'string = 2', id: 'FrameworkID = 3', hostname: 'string = 7' }),
  AgentInfo: message({ hostname: 'string = 1', id: 'AgentID = 6', port: 'int32 = 8' }),
  Agent: message({ agent_info: 'AgentInfo = 1', active: 'bool = 2', pid: 'string = 4' }),
  Framework: message({ framework_info: 'FrameworkInfo = 1' }),
  GetTasks: message({ tasks: 'Task[] = 2' }),
  GetFrameworks: message({ frameworks: 'Framework[] = 1' }),
  GetAgents: message({ agents: 'Agent[] = 1', recovered_agents: 'AgentInfo[] = 2' }),
  GetState: message({ get_tasks: 'GetTasks = 1', get_frameworks: 'GetFrameworks = 3', get_agents: 'GetAgents = 4' }),
  Subscribed: message({ get_state: 'GetState = 1', heartbeat_interval_seconds: 'double = 2' }),
  TaskAdded: message({ task: 'Task = 1' }),
  TaskUpdated: message({ framework_id: 'FrameworkID = 1', status: 'TaskStatus = 2', state: 'TaskState = 3' }),
  FrameworkAdded: message({ framework: 'Framework = 1' }),
  FrameworkRemoved: message({ framework_info: 'FrameworkInfo = 1' }),
  AgentAdded: message({ agent: 'Agent = 1' }),
  AgentRemoved: message({ agent_id: 'AgentID = 1' }),
  Event: message({
    type: 'EventType = 1',
    subscribed: 'Subscribed = 2',
    task_added: 'TaskAdded = 3',
    task_updated: 'TaskUpdated = 4',
    agent_added: 'AgentAdded = 5',
    agent_removed: 'AgentRemoved = 6',
    framework_added: 'FrameworkAdded = 7',
    framework_updated: 'FrameworkAdded = 8',
    framework_removed: 'FrameworkRemoved = 9',
  }),
};

/** Every field knows whether it was sent, as in proto2; the library takes JSON for proto3. */
const nested = Object.fromEntries(Object.entries(schema).map(([name, one]) => [name, { edition: 'proto2', ...one }]));

const event = protobuf.Root.fromJSON({ nested }).lookupType('Event');

/** In the form of the JSON; what is not in the message is not in the result. @throws Error when it is no such message */
export function decodeEvent(bytes: Uint8Array): unknown {
  const value = event.toObject(event.decode(bytes), { enums: String, longs: Number });
  // An event of a later version: its type is a number we have no name for, or missing.
  return typeof value.type === 'string' ? value : { ...value, type: 'UNKNOWN' };
}

/** The inverse, for those who speak for a master. */
export function encodeEvent(value: object): Uint8Array {
  return event.encode(event.fromObject(value)).finish();
}
