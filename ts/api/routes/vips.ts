import { policyProperties } from '../../model/policy-schema.js';
import { type Static, Type } from '../../model/typebox.js';
import { Fault } from './fault.js';
import { defineRoute } from './route.js';

const count = (description: string) => Type.Number({ description: `${description}, since it was first programmed` });

const Traffic = {
  connections: count('Connections'),
  packets: count('Packets in both directions'),
  bytes: count('Bytes in both directions'),
};

const Quantile = (percent: number) =>
  Type.Optional(Type.Number({ description: `Seconds that ${percent} % of the connects did not exceed` }));

/** Ends of TCP connects by sockets of this node. */
const Connects = Type.Object({
  connected: count('Connects that came about'),
  refused: count('Connects refused'),
  timedOut: count('Connects without an answer'),
  unreachable: count('Connects that failed otherwise'),
  reset: count('Connections ended by RST within a second'),
  abandoned: count('Connects given up by the client within a second'),
  failing: Type.Number({ description: 'Refused, timed out or unreachable since the last that came about' }),
  p50Seconds: Quantile(50),
  p90Seconds: Quantile(90),
  p99Seconds: Quantile(99),
});
export type ConnectsView = Static<typeof Connects>;

const BackendState = Type.Union([
  Type.Literal('active'),
  Type.Literal('draining'),
  Type.Literal('down'),
  Type.Literal('pending'),
  Type.Literal('standby', { description: 'Nearer backends take the new connections' }),
  Type.Literal('ejected', { description: 'Its connections failed lately' }),
]);

const BackendView = Type.Object({
  address: Type.String(),
  port: Type.Integer(),
  weight: Type.Integer(),
  node: Type.Optional(Type.String({ description: 'The node that defines and checks it; absent: this one' })),
  state: BackendState,
  reason: Type.String({ description: 'Why it is, or is not, in rotation' }),
  since: Type.Number({ description: 'When it entered the state, milliseconds since the epoch' }),
  counters: Type.Optional(Type.Object(Traffic)),
  connects: Type.Optional(Connects),
});
export type BackendView = Static<typeof BackendView>;

const Protocol = Type.Union([Type.Literal('tcp'), Type.Literal('udp')]);

export const VipView = Type.Object({
  key: Type.String({ description: 'PROTOCOL/ADDRESS:PORT' }),
  name: Type.String(),
  source: Type.String(),
  frontend: Type.Object({ protocol: Protocol, address: Type.String(), port: Type.Integer() }),
  vipName: Type.Optional(
    Type.Object({ label: Type.String(), framework: Type.String() }, { description: 'What the address follows from' }),
  ),
  backends: Type.Array(BackendView),
  policy: Type.Optional(
    Type.Object(policyProperties, {
      description: 'How connections are given to backends, where it is not the default',
    }),
  ),
  programmed: Type.Union([Type.Literal('yes'), Type.Literal('no'), Type.Literal('failed')]),
  fault: Type.Optional(Fault),
  counters: Type.Optional(Type.Object({ ...Traffic, refused: count('Connections refused for want of a backend') })),
  connects: Type.Optional(Connects),
});
export type VipView = Static<typeof VipView>;

const Placed = Type.Object({ vip: Type.String(), service: Type.String(), backend: BackendView });

const NodeShare = Type.Object({
  name: Type.String(),
  state: Type.String({ description: 'As in /v1/members' }),
  heard: Type.Number({ description: 'When it spoke last, milliseconds since the epoch' }),
  backends: Type.Integer(),
  active: Type.Integer({ description: 'Those in rotation here' }),
});

export const Explanation = Type.Object({
  vip: VipView,
  nodes: Type.Array(NodeShare, { description: 'Which node of the cluster has how many of the backends' }),
  drift: Type.Array(Type.String(), { description: 'How the kernel differs now from what is desired' }),
  kernel: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: 'What the kernel holds; absent if nothing' }),
  ),
});

const Key = Type.Object({
  key: Type.String({ description: 'PROTOCOL/ADDRESS:PORT, URL-encoded, or the name of the service' }),
});

export const vipRoutes = {
  vips: defineRoute({
    method: 'GET',
    path: '/v1/table',
    summary: 'Every VIP with its backends and counters',
    produces: 'json',
    response: Type.Object({ vips: Type.Array(VipView) }),
  }),
  vip: defineRoute({
    method: 'GET',
    path: '/v1/vips/:key',
    summary: 'One VIP',
    params: Key,
    produces: 'json',
    response: VipView,
  }),
  backends: defineRoute({
    method: 'GET',
    path: '/v1/backends',
    summary: 'Every backend of every VIP',
    produces: 'json',
    response: Type.Object({ backends: Type.Array(Placed) }),
  }),
  explain: defineRoute({
    method: 'GET',
    path: '/v1/explain/:key',
    summary:
      'Why each backend is or is not in rotation, what the kernel holds, and how that differs from what is desired',
    params: Key,
    produces: 'json',
    response: Explanation,
  }),
};
