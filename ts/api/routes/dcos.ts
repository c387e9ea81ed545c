import { type Static, Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

// What the network API of DC/OS answered under the same paths, and what it left out.

const DcosBackend = Type.Object({
  ip: Type.String(),
  port: Type.Integer(),
  weight: Type.Integer({ description: 'Of new connections; 0 while it gets none' }),
  state: Type.String({ description: 'As in /v1/table' }),
  node: Type.Optional(Type.String({ description: 'The node that defines it; absent: this one' })),
});

export const DcosVip = Type.Object({
  vip: Type.String({ description: 'NAME:PORT of one with a name, else ADDRESS:PORT' }),
  protocol: Type.String(),
  addresses: Type.Array(Type.String(), { description: 'What the name leads to' }),
  backend: Type.Array(DcosBackend),
});
export type DcosVip = Static<typeof DcosVip>;

const DcosNode = Type.Object({
  private_ip: Type.String(),
  public_ips: Type.Array(Type.String()),
  hostname: Type.String(),
  updated: Type.String({ description: 'When it spoke last, ISO 8601' }),
});

export const dcosRoutes = {
  dcosVips: defineRoute({
    method: 'GET',
    path: '/v1/vips',
    summary: 'Every VIP with its backends in the form of the network API of DC/OS',
    produces: 'json',
    tagged: true,
    response: Type.Array(DcosVip),
  }),
  nodes: defineRoute({
    method: 'GET',
    path: '/v1/nodes',
    summary: 'The nodes of the cluster, without one this node, in the form of the network API of DC/OS',
    produces: 'json',
    response: Type.Array(DcosNode),
  }),
};
