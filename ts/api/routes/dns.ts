import { type Static, Type } from '../../model/typebox.js';
import { Fault } from './fault.js';
import { defineRoute } from './route.js';

const Ttl = Type.Integer({ description: 'Seconds' });
const From = Type.Array(Type.String(), { description: 'Who gave the record: a VIP, a task, the configuration' });

export const Lookup = Type.Object({
  name: Type.String(),
  type: Type.String(),
  code: Type.String({ description: 'NOERROR, NXDOMAIN, SERVFAIL …' }),
  answer: Type.Array(
    Type.Object({ name: Type.String(), type: Type.String(), ttl: Ttl, data: Type.String(), from: From }),
  ),
  steps: Type.Array(Type.String(), { description: 'How the answer came about, and why there is none' }),
});
export type Lookup = Static<typeof Lookup>;

export const DnsListener = Type.Object({
  endpoint: Type.String(),
  listening: Type.Boolean(),
  fault: Type.Optional(Fault),
});
export type DnsListener = Static<typeof DnsListener>;

export const DnsZone = Type.Object({
  zone: Type.String(),
  kind: Type.Union([Type.Literal('authority'), Type.Literal('overlay')], {
    description: 'overlay: what it does not hold is asked elsewhere',
  }),
  origin: Type.String(),
  ready: Type.Boolean({ description: 'Filled; before that its names are answered with SERVFAIL' }),
  serial: Type.Integer(),
  names: Type.Integer(),
  records: Type.Integer(),
});
export type DnsZone = Static<typeof DnsZone>;

export const DnsSuffix = Type.Object({ suffix: Type.String(), target: Type.String() });
export type DnsSuffix = Static<typeof DnsSuffix>;

export const DnsRecord = Type.Object({
  zone: Type.String(),
  name: Type.String(),
  type: Type.String(),
  ttl: Ttl,
  data: Type.String(),
  from: From,
});
export type DnsRecord = Static<typeof DnsRecord>;

export const DnsCached = Type.Object({
  name: Type.String(),
  type: Type.String(),
  rcode: Type.Integer(),
  seconds: Type.Number({ description: 'Left of its time; negative when it is out of date' }),
  hits: Type.Integer(),
  data: Type.Array(Type.String()),
});
export type DnsCached = Static<typeof DnsCached>;

export const DnsUpstream = Type.Object({
  zone: Type.String({ description: 'Names it is asked for; a dot for all others' }),
  server: Type.String(),
  asked: Type.Integer(),
  failures: Type.Integer(),
  mismatches: Type.Integer({ description: 'Messages that answered nothing we had asked' }),
  score: Type.Number({ description: 'Milliseconds: its answering time and a penalty for failures that fades' }),
  meanMs: Type.Optional(Type.Number()),
  lastFailure: Type.Optional(Type.String()),
});
export type DnsUpstream = Static<typeof DnsUpstream>;

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1_000 }));

export const dnsRoutes = {
  dnsLookup: defineRoute({
    method: 'GET',
    path: '/v1/dns/lookup/:name',
    summary: 'What a name is answered with, who gave the records, and how the answer came about',
    params: Type.Object({ name: Type.String({ minLength: 1 }) }),
    query: Type.Object({ type: Type.Optional(Type.String({ default: 'A' })) }),
    produces: 'json',
    response: Lookup,
  }),
  dnsZones: defineRoute({
    method: 'GET',
    path: '/v1/dns/zones',
    summary: 'Zones that are answered here, suffixes that are not, and where it is answered',
    produces: 'json',
    response: Type.Object({
      listeners: Type.Array(DnsListener),
      zones: Type.Array(DnsZone),
      suffixes: Type.Array(DnsSuffix),
    }),
  }),
  dnsRecords: defineRoute({
    method: 'GET',
    path: '/v1/dns/records',
    summary: 'Records of the zones that are answered here',
    query: Type.Object({ zone: Type.Optional(Type.String()), limit }),
    produces: 'json',
    response: Type.Object({ records: Type.Array(DnsRecord), more: Type.Boolean() }),
  }),
  dnsCache: defineRoute({
    method: 'GET',
    path: '/v1/dns/cache',
    summary: 'Answers of others that are kept',
    query: Type.Object({ limit }),
    produces: 'json',
    response: Type.Object({
      bytes: Type.Integer(),
      entries: Type.Integer(),
      evictions: Type.Integer(),
      cached: Type.Array(DnsCached),
    }),
  }),
  dnsFlush: defineRoute({
    method: 'DELETE',
    path: '/v1/dns/cache',
    summary: 'Forget all answers of others',
    produces: 'json',
    response: Type.Object({ forgotten: Type.Integer() }),
  }),
  dnsUpstreams: defineRoute({
    method: 'GET',
    path: '/v1/dns/upstreams',
    summary: 'Other resolvers and how they have been lately',
    produces: 'json',
    response: Type.Object({ upstreams: Type.Array(DnsUpstream) }),
  }),
};
