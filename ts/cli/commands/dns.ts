import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { count, properties, size, table } from '../output.js';
import type { Commands } from '../session.js';

type Lookup = Output<Routes['dnsLookup']>;
type Zones = Output<Routes['dnsZones']>;
type Cache = Output<Routes['dnsCache']>;
type Upstreams = Output<Routes['dnsUpstreams']>;

const limit = ['--limit <n>', 'show so many at most'] as const;

export function addDns(commands: Commands): void {
  const dns = commands.group('dns', 'the resolver: names, zones, cache, servers');
  addLookup(dns);
  dns.add('zones', 'what is answered here, where, and what is asked of others').action(
    dns.action(async (session) => {
      const answer = await session.client.dnsZones();
      session.print(answer, () => zonesText(answer));
      return answer.listeners.every(({ listening }) => listening) ? exitStatus.ok : exitStatus.failed;
    }),
  );
  const records = dns.add('records [zone]', 'records that are answered here').option(...limit);
  records.action(
    dns.action(async (session, zone: string | undefined, options: { limit?: string }) => {
      const answer = await session.client.dnsRecords({ ...(zone && { zone }), ...limited(options) });
      session.print(answer, () => recordTable(answer.records));
      if (answer.more) session.warn('there are more; --limit shows them');
      return exitStatus.ok;
    }),
  );
  const cache = dns
    .add('cache', 'answers of others that are kept')
    .option(...limit)
    .option('--flush', 'forget them all');
  cache.action(
    dns.action(async (session, options: { limit?: string; flush?: boolean }) => {
      if (options.flush) {
        const { forgotten } = await session.client.dnsFlush();
        session.print({ forgotten }, () => `${forgotten} forgotten`);
        return exitStatus.ok;
      }
      const answer = await session.client.dnsCache(limited(options));
      session.print(answer, () => cacheText(answer));
      return exitStatus.ok;
    }),
  );
  dns.add('upstreams', 'servers for what is not answered here, and how they have been').action(
    dns.action(async (session) => {
      const answer = await session.client.dnsUpstreams();
      session.print(answer, () => upstreamTable(answer));
      return exitStatus.ok;
    }),
  );
}

function addLookup(dns: Commands): void {
  const lookup = dns
    .add('lookup <name> [type]', 'what a name is answered with, A unless a type is named; status 1 without an answer')
    .option('--trace', 'how the answer came about');
  lookup.action(
    dns.action(async (session, name: string, type: string | undefined, { trace }: { trace?: boolean }) => {
      const answer = await session.client.dnsLookup({ name, ...(type && { type: type.toUpperCase() }) });
      session.print(answer, () => lookupText(answer, trace === true));
      return answer.answer.length > 0 ? exitStatus.ok : exitStatus.failed;
    }),
  );
}

function limited(options: { readonly limit?: string }): { limit?: number } {
  return options.limit === undefined ? {} : { limit: Number(options.limit) };
}

/** Without an answer the reasons are what one wants to know. */
function lookupText({ name, type, code, answer, steps }: Lookup, trace: boolean): string {
  const head = answer.length > 0 ? recordTable(answer) : `${name} ${type}: ${code}`;
  if (!trace && answer.length > 0) return head;
  return [head, '', ...steps.map((step) => `  ${step}`)].join('\n');
}

function recordTable(records: Lookup['answer']): string {
  const columns = [
    { title: 'NAME' },
    { title: 'TTL', right: true },
    { title: 'TYPE' },
    { title: 'DATA' },
    { title: 'FROM' },
  ];
  return table(
    columns,
    records.map(({ name, ttl, type, data, from }) => [name, String(ttl), type, data, from.join(', ')]),
  );
}

function zonesText({ listeners, zones, suffixes }: Zones): string {
  const places = listeners.map(({ endpoint, listening, fault }) => {
    return listening ? endpoint : `${endpoint}: NOT listening${fault === undefined ? '' : `: ${fault.cause}`}`;
  });
  const columns = [
    ...[{ title: 'ZONE' }, { title: 'NAMES', right: true }, { title: 'RECORDS', right: true }],
    ...[{ title: 'SERIAL', right: true }, { title: 'STATE' }, { title: 'FROM' }],
  ];
  const rows = zones.map((zone) => [
    ...[zone.zone, count(zone.names), count(zone.records), String(zone.serial)],
    ...[zone.ready ? zone.kind : 'not filled yet', zone.origin],
  ]);
  const others = suffixes.map(({ suffix, target }) => `${suffix} → ${target}`).join('\n');
  return [
    properties([['listening', places.join('\n') || 'nowhere']]),
    table(columns, rows),
    properties([['elsewhere', others || 'nothing']]),
  ].join('\n\n');
}

function cacheText({ bytes, entries, evictions, cached }: Cache): string {
  const head = properties([
    ['entries', String(entries)],
    ['memory', size(bytes)],
    ['evicted', String(evictions)],
  ]);
  const columns = [
    { title: 'NAME' },
    { title: 'TYPE' },
    { title: 'LEFT', right: true },
    { title: 'HITS', right: true },
    { title: 'DATA' },
  ];
  const rows = cached.map(({ name, type, seconds, hits, data }) => [
    ...[name, type, `${seconds}s`, String(hits)],
    data.join(', ') || 'nothing',
  ]);
  return `${head}\n\n${table(columns, rows)}`;
}

function upstreamTable({ upstreams }: Upstreams): string {
  const columns = [
    ...[{ title: 'ZONE' }, { title: 'SERVER' }, { title: 'ASKED', right: true }, { title: 'FAILED', right: true }],
    ...[
      { title: 'MEAN', right: true },
      { title: 'SCORE', right: true },
      { title: 'STRAY', right: true },
      { title: 'LAST FAILURE' },
    ],
  ];
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value.toFixed(1)} ms`);
  const rows = upstreams.map((one) => [
    ...[one.zone, one.server, String(one.asked), String(one.failures)],
    ...[ms(one.meanMs), ms(one.score), String(one.mismatches), one.lastFailure ?? '-'],
  ]);
  return table(columns, rows);
}
