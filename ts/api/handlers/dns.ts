import { RequestError, readingLater } from '../errors.js';
import type { ApiPorts, DnsPort } from '../ports.js';
import type { dnsRoutes } from '../routes/dns.js';
import type { Handlers } from '../routes/routes.js';

export function dnsHandlers(ports: ApiPorts): Handlers<typeof dnsRoutes> {
  const port = () => dnsOf(ports.dns);
  return {
    dnsLookup: ({ name, type = 'A' }) => readingLater(() => port().lookup(name, type)),
    dnsZones: async () => {
      const { listeners, zones, forwarded } = port();
      return { listeners: listeners(), zones: zones(), suffixes: forwarded() };
    },
    dnsRecords: async ({ zone, limit = 1_000 }) => {
      const wanted = zone?.toLowerCase().replace(/(?<=.)\.$/, '');
      const all = port().records();
      const { taken, more } = take(all, limit, (record) => wanted === undefined || record.zone === wanted);
      return { records: taken, more };
    },
    dnsCache: async ({ limit = 1_000 }) => {
      return { ...port().cache(), cached: take(port().cached(), limit, () => true).taken };
    },
    dnsFlush: async () => ({ forgotten: port().flush() }),
    dnsUpstreams: async () => ({ upstreams: port().upstreams() }),
  };
}

/** @throws RequestError DNS_OFF */
export function dnsOf(dns: DnsPort | undefined): DnsPort {
  if (dns !== undefined) return dns;
  const hint = 'start vipd with --dns true, or set dns.enabled';
  throw new RequestError(404, { code: 'DNS_OFF', object: 'DNS', cause: 'this daemon does not answer it', hint });
}

function take<T>(all: Iterable<T>, limit: number, wanted: (one: T) => boolean): { taken: T[]; more: boolean } {
  const taken: T[] = [];
  for (const one of all) {
    if (!wanted(one)) continue;
    if (taken.length === limit) return { taken, more: true };
    taken.push(one);
  }
  return { taken, more: false };
}
