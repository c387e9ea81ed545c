import type { DnsPort } from '../../../ts/api/ports.js';
import type { DnsCached, DnsRecord, DnsUpstream, DnsZone, Lookup } from '../../../ts/api/routes/dns.js';

export const zone: DnsZone = {
  ...{ zone: 'mesos', kind: 'authority', origin: 'tasks', ready: true },
  ...{ serial: 7, names: 2, records: 2 },
};
const from = ['task web.1'];
export const record: DnsRecord = {
  ...{ zone: 'mesos', name: 'web.marathon.mesos', type: 'A', ttl: 60, data: '10.0.0.1' },
  from,
};
export const service: DnsRecord = {
  ...{ zone: 'mesos', name: '_web._tcp.marathon.mesos', type: 'SRV', ttl: 60, data: '0 1 80 web.marathon.mesos' },
  from,
};
export const listed = { name: record.name, host: record.data, rtype: 'A' };
export const cached: DnsCached = {
  ...{ name: 'example.org', type: 'A', rcode: 0, seconds: 30, hits: 3, data: ['A 192.0.2.1'] },
};
export const upstream: DnsUpstream = {
  ...{ zone: '.', server: '192.0.2.53:53', asked: 9, failures: 1, mismatches: 0, score: 12.5, meanMs: 2.5 },
  lastFailure: 'timeout',
};

/** Knows the two records above and nothing else. */
export function lookup(name: string, type: string): Lookup {
  const answer = [record, service]
    .filter((one) => one.name === name && one.type === type)
    .map(({ zone: _, ...one }) => one);
  return { name, type, code: answer.length > 0 ? 'NOERROR' : 'NXDOMAIN', answer, steps: ['the zone mesos'] };
}

export const fakeDns: DnsPort = {
  lookup: async (name, type) => lookup(name, type),
  listeners: () => [{ endpoint: '198.51.100.1:53', listening: true }],
  zones: () => [{ ...zone, zone: 'mesos' }],
  forwarded: () => [{ suffix: 'mesos.thisdcos.directory', target: 'as mesos' }],
  records: () => [record, service],
  cache: () => ({ bytes: 700, entries: 1, evictions: 2 }),
  cached: () => [cached],
  flush: () => 1,
  upstreams: () => [upstream],
  tasks: () => [{ framework: 'marathon', name: 'web', id: 'web.1', records: [listed] }],
};
