import { type Static, Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

const Milliseconds = Type.Number({ description: 'Milliseconds since the epoch' });

export const MemberView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: Type.Union([
    Type.Literal('self'),
    Type.Literal('alive'),
    Type.Literal('unconfirmed'),
    Type.Literal('unreachable'),
    Type.Literal('stale'),
    Type.Literal('left'),
    Type.Literal('refused'),
  ]),
  since: Milliseconds,
  heard: Milliseconds,
  incarnation: Type.Integer(),
  addresses: Type.Array(Type.String()),
  neighbours: Type.Array(Type.String(), { description: 'Names, or ids, of the nodes it talks to' }),
  rttMs: Type.Optional(Type.Number({ description: 'Round trip from this node, if it is a neighbour' })),
  clockSkewMs: Type.Number({ description: 'How far its clock is ahead of that of this node' }),
  vips: Type.Integer({ description: 'VIPs it has backends of' }),
  plane: Type.String(),
  kernel: Type.String(),
  software: Type.String(),
  started: Milliseconds,
});
export type MemberView = Static<typeof MemberView>;

export const clusterRoutes = {
  members: defineRoute({
    method: 'GET',
    path: '/v1/members',
    summary: 'The nodes of the cluster as this one sees them, itself first; empty without a cluster',
    produces: 'json',
    response: Type.Object({ members: Type.Array(MemberView) }),
  }),
  leave: defineRoute({
    method: 'POST',
    path: '/v1/cluster/leave',
    summary: 'Takes this node out of its cluster for good; it goes on alone',
    produces: 'json',
    response: Type.Object({ left: Type.Boolean() }),
  }),
};
