import { Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

// What Mesos-DNS and dcos-net answer under the same paths, for programs that were written for them.

const Name = Type.Object({ name: Type.String({ minLength: 1 }) });
const RecordView = Type.Object({ name: Type.String(), host: Type.String(), rtype: Type.String() });
const RecordSets = Type.Record(Type.String(), Type.Array(Type.String()));

export const mesosDnsRoutes = {
  version: defineRoute({
    method: 'GET',
    path: '/v1/version',
    summary: 'What this is, as Mesos-DNS says it',
    produces: 'json',
    response: Type.Object({ Service: Type.String(), Version: Type.String(), URL: Type.String() }),
  }),
  hosts: defineRoute({
    method: 'GET',
    path: '/v1/hosts/:name',
    summary: 'Addresses of a name; one entry of empty texts when there is none',
    params: Name,
    produces: 'json',
    response: Type.Array(Type.Object({ host: Type.String(), ip: Type.String() })),
  }),
  servicesOf: defineRoute({
    method: 'GET',
    path: '/v1/services/:name',
    summary:
      'Hosts, addresses and ports of a name as _web._tcp.marathon.mesos; one entry of empty texts when there is none',
    params: Name,
    produces: 'json',
    response: Type.Array(
      Type.Object({ service: Type.String(), host: Type.String(), ip: Type.String(), port: Type.String() }),
    ),
  }),
  records: defineRoute({
    method: 'GET',
    path: '/v1/records',
    summary: 'Addresses and services of all zones answered here',
    produces: 'json',
    response: Type.Array(RecordView),
  }),
  enumerate: defineRoute({
    method: 'GET',
    path: '/v1/enumerate',
    summary: 'Tasks by framework, with the records they have in the zone mesos',
    produces: 'json',
    response: Type.Object({
      frameworks: Type.Array(
        Type.Object({
          name: Type.String(),
          tasks: Type.Array(Type.Object({ name: Type.String(), id: Type.String(), records: Type.Array(RecordView) })),
        }),
      ),
    }),
  }),
  axfr: defineRoute({
    method: 'GET',
    path: '/v1/axfr',
    summary: 'The whole zone mesos',
    produces: 'json',
    response: Type.Object({
      TTL: Type.Integer(),
      Serial: Type.Integer(),
      RefreshSeconds: Type.Integer(),
      Mname: Type.String(),
      Rname: Type.String(),
      Domain: Type.String(),
      Records: Type.Object({ As: RecordSets, AAAAs: RecordSets, SRVs: RecordSets }),
    }),
  }),
};
