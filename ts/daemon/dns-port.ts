import type { DnsPort } from '../api/ports.js';
import { parseType, typeName } from '../dns/codes.js';
import { zoneLabel } from '../dns/counts.js';
import { describeRaw } from '../dns/describe.js';
import { askedOf } from '../dns/message.js';
import { nameText } from '../dns/name.js';
import { dataText, type RecordData } from '../dns/record.js';
import { looseRecords } from '../dns/records-in.js';
import type { Zone } from '../dns/zone.js';
import type { NameService } from './dns.js';

/** The resolver as the API sees it. */
export function dnsPort({ dns }: NameService): DnsPort {
  const { zones, recursor, groups, listeners } = dns;
  return {
    lookup: async (name, type) => dns.explain(name, parseType(type)),
    listeners: () => listeners.status(),
    zones: () => zones.routing.zones().map(zoneView),
    forwarded: () =>
      [...zones.routing.entries()].flatMap(([suffix, route]) => {
        if (route.to === 'zone') return [];
        const target = route.to === 'alias' ? `as ${nameText(route.suffix)}` : serversText(route.group, groups);
        return [{ suffix: nameText(suffix), target }];
      }),
    *records() {
      for (const zone of zones.routing.zones()) {
        for (const [name, sets] of zone.entries()) {
          for (const { type, ttl, records } of sets.values()) {
            for (const data of records) {
              yield {
                zone: nameText(zone.apex),
                name: nameText(name),
                type: typeName(type),
                ttl,
                data: dataText(data),
                from: zones.ownersOf(name, data),
              };
            }
          }
        }
      }
    },
    cache: () => ({ bytes: recursor.cache.bytes, entries: recursor.cache.size, evictions: recursor.cache.evictions }),
    *cached() {
      const now = performance.now();
      for (const [key, { reply, expires, hits }] of recursor.cache.entries()) {
        const { key: name, type } = askedOf(key);
        const data = (looseRecords(reply, 0) ?? []).map((one) => `${typeName(one.data.type)} ${describeRaw(one.data)}`);
        const seconds = Math.round((expires - now) / 1000);
        yield { name: nameText(name), type: typeName(type), rcode: reply.rcode, seconds, hits, data };
      }
    },
    flush: () => recursor.cache.clear(),
    upstreams: () =>
      [...groups].flatMap(([group, { upstreams }]) =>
        upstreams.map(({ name, score, asked, failures, mismatches, lastFailure }) => ({
          zone: zoneLabel(group),
          server: name,
          asked,
          failures,
          mismatches,
          score: score.value(Date.now()),
          ...(score.meanMs === undefined ? {} : { meanMs: score.meanMs }),
          ...(lastFailure === undefined ? {} : { lastFailure }),
        })),
      ),
    *tasks() {
      for (const { task, entries } of zones.tasks?.tasks() ?? []) {
        const records = entries.map(({ name, data }) => ({
          name: nameText(name),
          host: hostText(data),
          rtype: typeName(data.type),
        }));
        yield { framework: task.framework, name: task.name, id: task.id, records };
      }
    },
  };
}

/** As Mesos-DNS writes it: an address, or NAME:PORT. */
function hostText(data: RecordData): string {
  return 'port' in data ? `${nameText(data.target)}:${data.port}` : dataText(data);
}

function zoneView(zone: Zone) {
  const { apex, kind, origin, serial, size, records } = zone;
  return { zone: nameText(apex), kind, origin, ready: zone.ready && zone.complete, serial, names: size, records };
}

function serversText(group: string, groups: NameService['dns']['groups']): string {
  return (groups.get(group)?.upstreams ?? []).map(({ name }) => name).join(', ') || 'nobody';
}
