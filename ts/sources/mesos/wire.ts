import { Compile, type Static, Type } from '../../model/typebox.js';

/**
 * What is read of the messages of the Mesos v1 operator API (mesos.proto, master.proto, agent.proto), in the form of
 * their JSON; protobuf is decoded into the same. Everything else in them is left alone, and everything may be missing.
 */

const text = Type.Optional(Type.String());
const number = Type.Optional(Type.Number());
/** A number in protobuf where the state is of a later version. */
const state = Type.Optional(Type.Union([Type.String(), Type.Number()]));
const flag = Type.Optional(Type.Boolean());
const Id = Type.Object({ value: Type.String() });

const Labels = Type.Object({
  labels: Type.Optional(Type.Array(Type.Object({ key: Type.String(), value: text }))),
});

const PortMapping = Type.Object({ host_port: Type.Number(), container_port: Type.Number(), protocol: text });

const NetworkInfo = Type.Object({
  name: text,
  ip_addresses: Type.Optional(Type.Array(Type.Object({ ip_address: text, protocol: text }))),
  port_mappings: Type.Optional(Type.Array(PortMapping)),
});

const Container = Type.Object({
  type: text,
  network_infos: Type.Optional(Type.Array(NetworkInfo)),
  docker: Type.Optional(Type.Object({ network: text, port_mappings: Type.Optional(Type.Array(PortMapping)) })),
});

const Resource = Type.Object({
  name: text,
  type: text,
  scalar: Type.Optional(Type.Object({ value: Type.Number() })),
  ranges: Type.Optional(
    Type.Object({ range: Type.Optional(Type.Array(Type.Object({ begin: Type.Number(), end: Type.Number() }))) }),
  ),
});

const DiscoveryPort = Type.Object({
  number: Type.Number(),
  name: text,
  protocol: text,
  labels: Type.Optional(Labels),
});

const Discovery = Type.Object({
  name: text,
  ports: Type.Optional(Type.Object({ ports: Type.Optional(Type.Array(DiscoveryPort)) })),
});

const Status = Type.Object({
  task_id: Type.Optional(Id),
  state,
  /** Seconds since the epoch. */
  timestamp: number,
  healthy: flag,
  container_status: Type.Optional(Type.Object({ network_infos: Type.Optional(Type.Array(NetworkInfo)) })),
});

export const TaskMessage = Type.Object({
  task_id: Id,
  framework_id: Id,
  agent_id: Id,
  name: text,
  state,
  resources: Type.Optional(Type.Array(Resource)),
  statuses: Type.Optional(Type.Array(Status)),
  labels: Type.Optional(Labels),
  discovery: Type.Optional(Discovery),
  container: Type.Optional(Container),
  health_check: Type.Optional(Type.Object({})),
});

export const AgentInfo = Type.Object({ id: Type.Optional(Id), hostname: text, port: number });
export const AgentMessage = Type.Object({ agent_info: AgentInfo, pid: text, active: flag });
export const FrameworkMessage = Type.Object({
  framework_info: Type.Object({ id: Type.Optional(Id), name: text, hostname: text, webui_url: text }),
});

const List = Type.Optional(Type.Array(Type.Unknown()));

/** What is used of an agent's answers to GET_AGENT and GET_STATE; what is in the lists is read one by one. */
const AgentAnswer = Type.Object({
  get_agent: Type.Optional(Type.Object({ agent_info: Type.Optional(Type.Unknown()) })),
  get_state: Type.Optional(
    Type.Object({
      get_tasks: Type.Optional(Type.Object({ queued_tasks: List, launched_tasks: List })),
      get_frameworks: Type.Optional(Type.Object({ frameworks: List })),
    }),
  ),
});

const Some = Type.Optional(Type.Unknown());

/** An event of the master's stream. What is in it is read by itself, so that one odd task spoils no snapshot. */
const MasterEvent = Type.Object({
  type: Type.String(),
  subscribed: Type.Optional(
    Type.Object({
      get_state: Type.Optional(
        Type.Object({
          get_tasks: Type.Optional(Type.Object({ tasks: List })),
          get_frameworks: Type.Optional(Type.Object({ frameworks: List })),
          get_agents: Type.Optional(Type.Object({ agents: List, recovered_agents: List })),
        }),
      ),
      heartbeat_interval_seconds: number,
    }),
  ),
  task_added: Type.Optional(Type.Object({ task: Some })),
  task_updated: Type.Optional(Type.Object({ framework_id: Id, status: Some, state })),
  agent_added: Type.Optional(Type.Object({ agent: Some })),
  agent_removed: Type.Optional(Type.Object({ agent_id: Id })),
  framework_added: Type.Optional(Type.Object({ framework: Some })),
  framework_updated: Type.Optional(Type.Object({ framework: Some })),
  framework_removed: Type.Optional(Type.Object({ framework_info: Type.Object({ id: Type.Optional(Id) }) })),
});

export type MasterEvent = Static<typeof MasterEvent>;
export type AgentAnswer = Static<typeof AgentAnswer>;
export type TaskMessage = Static<typeof TaskMessage>;
export type StatusMessage = Static<typeof Status>;
export type AgentMessage = Static<typeof AgentMessage>;
export type AgentInfo = Static<typeof AgentInfo>;
export type FrameworkMessage = Static<typeof FrameworkMessage>;
export type Labels = Static<typeof Labels>;
export type NetworkInfo = Static<typeof NetworkInfo>;
export type DiscoveryPort = Static<typeof DiscoveryPort>;
export type Resource = Static<typeof Resource>;

/** What a message of this kind must be to be read at all. */
export const readers = {
  task: Compile(TaskMessage),
  status: Compile(Status),
  agent: Compile(AgentMessage),
  framework: Compile(FrameworkMessage),
  agentInfo: Compile(AgentInfo),
  agentAnswer: Compile(AgentAnswer),
  event: Compile(MasterEvent),
};
