import { type Static, Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

const Endpoint = Type.Object({ address: Type.String(), port: Type.Integer() });

/** What is told of a table of the data plane. */
export const tableFill = {
  table: Type.String({ description: 'flows, exact_flows or nat_ports' }),
  used: Type.Integer({ description: 'By what gives way to nothing new; of nat_ports where most are taken' }),
  limit: Type.Integer(),
  where: Type.Optional(Type.String({ description: 'nat_ports: towards whom, and from which address' })),
};

const Flow = Type.Object({
  vip: Type.String(),
  backend: Type.String(),
  state: Type.Union([Type.Literal('new'), Type.Literal('established'), Type.Literal('closing')]),
  idleSeconds: Type.Number({ description: 'Since its last packet' }),
  client: Type.Optional(Endpoint),
  exact: Type.Optional(
    Type.Object(
      {
        source: Endpoint,
        ageSeconds: Type.Number({ description: 'Since its first packet' }),
        sent: Type.Object({ packets: Type.Integer(), bytes: Type.Integer() }, { description: 'To the backend' }),
        received: Type.Object({ packets: Type.Integer(), bytes: Type.Integer() }, { description: 'To the client' }),
      },
      { description: 'Of connections tracked by all of their ends; the source is what the backend sees' },
    ),
  ),
});

export const Event = Type.Object({
  at: Type.Number({ description: 'Milliseconds since the epoch' }),
  kind: Type.Union([
    Type.Literal('connection'),
    Type.Literal('no-backend'),
    Type.Literal('refused'),
    Type.Literal('denied'),
    Type.Literal('limited'),
    Type.Literal('exhausted'),
    Type.Literal('table-pressure'),
    Type.Literal('table-alarm'),
    Type.Literal('table-clear'),
    Type.Literal('severed'),
    Type.Literal('backend'),
    Type.Literal('label'),
  ]),
  hook: Type.Optional(Type.Union([Type.Literal('sock'), Type.Literal('tc'), Type.Literal('xdp')])),
  vip: Type.Optional(Type.String()),
  backend: Type.Optional(Type.String()),
  client: Type.Optional(Endpoint),
  target: Type.Optional(Endpoint),
  sockets: Type.Optional(Type.Integer({ description: 'How many were severed from a backend that is gone' })),
  fill: Type.Optional(Type.Object(tableFill, { description: 'Of a table that is filling up, or has room again' })),
  text: Type.Optional(Type.String({ description: 'For people' })),
});
export type Event = Static<typeof Event>;

export const trafficRoutes = {
  flows: defineRoute({
    method: 'GET',
    path: '/v1/flows',
    summary: 'Connections tracked now',
    query: Type.Object({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, default: 1_000 })),
      exact: Type.Optional(Type.Boolean({ default: false, description: 'Only those tracked by all of their ends' })),
    }),
    produces: 'json',
    response: Type.Object({ flows: Type.Array(Flow) }),
  }),
  events: defineRoute({
    method: 'GET',
    path: '/v1/events',
    summary: 'Recent events, then, unless follow=false, every new one as it happens',
    query: Type.Object({ follow: Type.Optional(Type.Boolean({ default: true })) }),
    produces: 'stream',
    response: Event,
  }),
};
