import { type Collector, counter, gauge, single } from '../util/metric.js';
import { zoneLabel } from './counts.js';
import type { Dns } from './dns.js';
import { nameText } from './name.js';

/** What can be measured of the resolver beside what it counts. */
export function dnsCollector(dns: Pick<Dns, 'zones' | 'recursor' | 'groups' | 'listeners' | 'counts'>): Collector {
  return async () => [
    ...(await dns.counts.collect()),
    gauge('vipd_dns_zone_records', 'Records of the zones answered here', zoneSamples(dns)),
    gauge('vipd_dns_cache_bytes', 'Memory of the cache', single(dns.recursor.cache.bytes)),
    gauge('vipd_dns_cache_entries', 'Answers of others that are kept', single(dns.recursor.cache.size)),
    counter('vipd_dns_cache_evictions_total', 'Answers given up for others', single(dns.recursor.cache.evictions)),
    counter(
      'vipd_dns_prefetches_total',
      'Names asked anew before their time was over',
      single(dns.recursor.prefetches),
    ),
    gauge('vipd_dns_questions', 'Questions for others under way', single(dns.recursor.questions)),
    gauge('vipd_dns_waiting', 'Clients that wait for them', single(dns.recursor.waiting)),
    ...upstreamFamilies(dns),
    ...listenerFamilies(dns),
  ];
}

function zoneSamples({ zones }: Pick<Dns, 'zones'>) {
  return zones.routing.zones().map((zone) => ({ labels: { zone: nameText(zone.apex) }, value: zone.records }));
}

function upstreamFamilies({ groups }: Pick<Dns, 'groups'>) {
  const all = [...groups].flatMap(([suffix, group]) => {
    return group.upstreams.map((one) => ({ labels: { zone: zoneLabel(suffix), upstream_address: one.name }, one }));
  });
  return [
    counter(
      'vipd_dns_upstream_mismatches_total',
      'Messages that answered nothing we had asked: late, or forged',
      all.map(({ labels, one }) => ({ labels, value: one.mismatches })),
    ),
    gauge(
      'vipd_dns_upstream_score_seconds',
      'How little a server is favoured: its answering time and what is left of the penalty for failures',
      all.map(({ labels, one }) => ({ labels, value: one.score.value(Date.now()) / 1000 })),
    ),
  ];
}

function listenerFamilies({ listeners }: Pick<Dns, 'listeners'>) {
  const counts = listeners.counts();
  const by = (value: (one: (typeof counts)[number]) => number) =>
    counts.map((one) => ({ labels: { address: one.endpoint }, value: value(one) }));
  return [
    gauge(
      'vipd_dns_connections',
      'TCP connections of clients',
      by((one) => one.connections),
    ),
    counter(
      'vipd_dns_connections_refused_total',
      'TCP connections there was no room for',
      by((one) => one.refusedConnections),
    ),
    counter(
      'vipd_dns_connections_displaced_total',
      'Idle TCP connections closed to make room for others',
      by((one) => one.displacedConnections),
    ),
    counter(
      'vipd_dns_kernel_dropped_total',
      'Questions over UDP the kernel had no room for',
      by((one) => one.droppedQuestions),
    ),
    counter(
      'vipd_dns_unsent_total',
      'Answers over UDP the kernel did not take',
      by((one) => one.droppedAnswers),
    ),
  ];
}
