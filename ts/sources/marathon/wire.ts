import { Compile, type Static, Type } from '../../model/typebox.js';

/** What is read of the answers of Marathon's API (`/v2/apps`, `/v2/pods/::status`); null stands for what is missing. */

const maybe = <T extends Type.TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const Values = maybe(Type.Record(Type.String(), Type.String()));

const PortDefinition = Type.Object({
  name: maybe(Type.String()),
  protocol: maybe(Type.String()),
  labels: Values,
});

const PortMapping = Type.Object({
  containerPort: maybe(Type.Number()),
  hostPort: maybe(Type.Number()),
  name: maybe(Type.String()),
  protocol: maybe(Type.String()),
  labels: Values,
});

const Container = Type.Object({
  type: maybe(Type.String()),
  portMappings: maybe(Type.Array(PortMapping)),
  docker: maybe(Type.Object({ network: maybe(Type.String()), portMappings: maybe(Type.Array(PortMapping)) })),
});

const Task = Type.Object({
  id: Type.String(),
  host: Type.String(),
  slaveId: maybe(Type.String()),
  state: maybe(Type.String()),
  version: maybe(Type.String()),
  ports: maybe(Type.Array(Type.Number())),
  ipAddresses: maybe(Type.Array(Type.Object({ ipAddress: maybe(Type.String()) }))),
  healthCheckResults: maybe(Type.Array(Type.Union([Type.Object({ alive: maybe(Type.Boolean()) }), Type.Null()]))),
});

export const App = Type.Object({
  id: Type.String(),
  version: maybe(Type.String()),
  labels: Values,
  networks: maybe(Type.Array(Type.Object({ mode: maybe(Type.String()), name: maybe(Type.String()) }))),
  portDefinitions: maybe(Type.Array(PortDefinition)),
  container: maybe(Container),
  ipAddress: maybe(
    Type.Object({
      discovery: maybe(
        Type.Object({
          ports: maybe(
            Type.Array(
              Type.Object({
                number: Type.Number(),
                name: maybe(Type.String()),
                protocol: maybe(Type.String()),
                labels: Values,
              }),
            ),
          ),
        }),
      ),
    }),
  ),
  healthChecks: maybe(Type.Array(Type.Object({ protocol: maybe(Type.String()) }))),
  readinessChecks: maybe(Type.Array(Type.Object({}))),
  readinessCheckResults: maybe(Type.Array(Type.Object({ taskId: Type.String(), ready: maybe(Type.Boolean()) }))),
  deployments: maybe(Type.Array(Type.Unknown())),
  tasks: maybe(Type.Array(Type.Unknown())),
});

const Endpoint = Type.Object({
  name: Type.String(),
  containerPort: maybe(Type.Number()),
  hostPort: maybe(Type.Number()),
  protocol: maybe(Type.Array(Type.String())),
  labels: Values,
});

const Instance = Type.Object({
  id: Type.String(),
  agentHostname: maybe(Type.String()),
  agentId: maybe(Type.String()),
  networks: maybe(Type.Array(Type.Object({ addresses: maybe(Type.Array(Type.String())) }))),
  containers: maybe(
    Type.Array(
      Type.Object({
        name: Type.String(),
        status: maybe(Type.String()),
        endpoints: maybe(
          Type.Array(
            Type.Object({
              name: Type.String(),
              allocatedHostPort: maybe(Type.Number()),
              healthy: maybe(Type.Boolean()),
            }),
          ),
        ),
      }),
    ),
  ),
});

export const Pod = Type.Object({
  id: Type.String(),
  spec: Type.Object({
    containers: maybe(Type.Array(Type.Object({ name: Type.String(), endpoints: maybe(Type.Array(Endpoint)) }))),
  }),
  instances: maybe(Type.Array(Type.Unknown())),
});

export type App = Static<typeof App>;
export type AppTask = Static<typeof Task>;
export type PortMapping = Static<typeof PortMapping>;
export type Pod = Static<typeof Pod>;
export type Instance = Static<typeof Instance>;

export const readers = { app: Compile(App), task: Compile(Task), pod: Compile(Pod), instance: Compile(Instance) };
