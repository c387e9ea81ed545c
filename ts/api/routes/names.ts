import { type Static, Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';
import { VipView } from './vips.js';

const Address = Type.Object({
  family: Type.Union([Type.Literal(4), Type.Literal(6)]),
  address: Type.String(),
  forwards: Type.Boolean({ description: 'The kernel of this node holds a VIP on it, so the DNS may answer with it' }),
});

export const NameView = Type.Object({
  name: Type.String({ description: 'NAME.FRAMEWORK, as it is hashed' }),
  fqdn: Type.String({ description: 'With the zone' }),
  addresses: Type.Array(Address),
  vips: Type.Array(Type.String(), { description: 'Keys of its VIPs, one a port, protocol and family' }),
});
export type NameView = Static<typeof NameView>;

export const nameRoutes = {
  names: defineRoute({
    method: 'GET',
    path: '/v1/names',
    summary: 'Every named VIP with its addresses',
    produces: 'json',
    response: Type.Object({ names: Type.Array(NameView) }),
  }),
  where: defineRoute({
    method: 'GET',
    path: '/v1/names/:name',
    summary: 'Where a name leads: its addresses, ports and backends',
    params: Type.Object({
      name: Type.String({ description: 'NAME.FRAMEWORK, with or without the zone, or NAME where that is enough' }),
    }),
    produces: 'json',
    response: Type.Object({ name: NameView, vips: Type.Array(VipView) }),
  }),
};
