import { type Connects, type ConnectsByVip, outcomes, quantile, sumOfConnects } from '../model/connects.js';
import type { BackendKey, VipKey } from '../model/service.js';
import { type Collector, counter, gauge, histogram, type Measured, type Sample, single } from '../util/metric.js';
import type { Counters, DataPlane, HookStatus, PlaneEvent, TableFill, VipCounters } from './dataplane.js';

type Counting = Pick<DataPlane, 'counters' | 'connects' | 'verdicts' | 'hooks' | 'tables'>;

/** What the data plane counts. `names` tells the services of VIPs; the kernel may still hold one that has none. */
export function planeCollector(plane: Counting, names: () => ReadonlyMap<VipKey, string>): Collector {
  return async () => {
    const [vips, connects, verdicts] = await Promise.all([plane.counters(), plane.connects(), plane.verdicts()]);
    return [
      ...vipFamilies(vips, names()),
      ...backendFamilies(vips),
      ...connectFamilies(connects, names()),
      verdictFamily(verdicts),
      hookFamily(plane.hooks()),
      ...tableFamilies(plane.tables()),
    ];
  };
}

/** Adds up what events tell of severed sockets, of which there is no counter in the kernel. */
export class SeveredSockets {
  #total = 0;

  hear(event: PlaneEvent): void {
    if (event.kind === 'severed') this.#total += event.sockets ?? 0;
  }

  async collect(): Promise<readonly Measured[]> {
    const help = 'Connected sockets ended because their backend is gone, since the daemon started';
    return [counter('vipd_severed_sockets_total', help, single(this.#total))];
  }
}

type Counted = readonly { readonly labels: Sample['labels']; readonly counters: Counters }[];

function vipFamilies(vips: readonly VipCounters[], names: ReadonlyMap<VipKey, string>): Measured[] {
  const labelled = vips.map((one) => ({ labels: { vip: one.key, name: names.get(one.key) ?? '' }, counters: one }));
  const refused = labelled.map(({ labels, counters }) => ({ labels, value: Number(counters.refused) }));
  return [
    ...trafficFamilies('vip', 'of a VIP', labelled),
    counter('vipd_vip_refused_total', 'Connections of a VIP refused for want of a usable backend', refused),
  ];
}

function backendFamilies(vips: readonly VipCounters[]): Measured[] {
  const labelled = vips.flatMap((vip) =>
    [...vip.backends].map(([backend, counters]) => ({ labels: { vip: vip.key, backend }, counters })),
  );
  return trafficFamilies('backend', 'of a backend', labelled);
}

function trafficFamilies(subject: string, whose: string, counted: Counted): Measured[] {
  const family = (unit: keyof Counters, help: string) => {
    const samples = counted.map(({ labels, counters }) => ({ labels, value: Number(counters[unit]) }));
    return counter(`vipd_${subject}_${unit}_total`, `${help} ${whose}`, samples);
  };
  return [
    family('connections', 'Connections'),
    family('packets', 'Packets in both directions'),
    family('bytes', 'Bytes in both directions'),
  ];
}

/** A histogram for each VIP; backends, which may be very many, have their quantiles alone. */
function connectFamilies(connects: ConnectsByVip, names: ReadonlyMap<VipKey, string>): Measured[] {
  const backends = [...connects].flatMap(([vip, each]) => [...each].map(([backend, one]) => ({ vip, backend, one })));
  const ends = backends.flatMap(({ vip, backend, one }) =>
    outcomes.map((outcome) => ({ labels: { vip, backend, outcome: snakeCase(outcome) }, value: Number(one[outcome]) })),
  );
  const durations = [...connects].flatMap(([vip, each]) => {
    const total = sumOfConnects(each.values());
    return total === undefined ? [] : histogramOf(total, { vip, name: names.get(vip) ?? '' });
  });
  const help = 'of TCP connects by sockets of this node';
  return [
    counter('vipd_backend_connects_total', `Ends ${help}`, ends),
    histogram('vipd_vip_connect_duration_seconds', `Duration ${help}, of those that came about`, durations),
    gauge(
      'vipd_backend_connect_duration_seconds',
      `Quantiles of the same for each backend`,
      backends.flatMap(quantiles),
    ),
  ];
}

function histogramOf({ latency }: Connects, labels: Sample['labels']): Sample[] {
  const count = Number(latency.counts.reduce((sum, one) => sum + one, 0n));
  let below = 0n;
  const buckets = latency.bounds.map((bound, i) => {
    below += latency.counts[i]!;
    return { labels: { ...labels, le: String(bound) }, value: Number(below), suffix: '_bucket' };
  });
  return [
    ...buckets,
    { labels: { ...labels, le: '+Inf' }, value: count, suffix: '_bucket' },
    { labels, value: latency.sum, suffix: '_sum' },
    { labels, value: count, suffix: '_count' },
  ];
}

function quantiles({ vip, backend, one }: { vip: VipKey; backend: BackendKey; one: Connects }): Sample[] {
  return [0.5, 0.9, 0.99].flatMap((share) => {
    const value = quantile(one.latency, share);
    return value === undefined ? [] : [{ labels: { vip, backend, quantile: String(share) }, value }];
  });
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function verdictFamily(verdicts: Readonly<Record<string, bigint>>): Measured {
  const samples = Object.entries(verdicts).map(([verdict, n]) => ({ labels: { verdict }, value: Number(n) }));
  return counter('vipd_verdicts_total', 'Packets and sockets by what became of them', samples);
}

function tableFamilies(tables: readonly TableFill[]): Measured[] {
  const samples = (value: (one: TableFill) => number) =>
    tables.map((one) => ({ labels: { table: one.table }, value: value(one) }));
  return [
    gauge(
      'vipd_table_entries',
      'Entries of a table of the data plane that give way to nothing new; of nat_ports where most are taken',
      samples(({ used }) => used),
    ),
    gauge(
      'vipd_table_alarm',
      'Whether a table was three quarters full, and has not fallen below 65 % since',
      samples(({ alarm }) => (alarm ? 1 : 0)),
    ),
    gauge(
      'vipd_table_limit',
      'Room in a table of the data plane',
      samples(({ limit }) => limit),
    ),
  ];
}

function hookFamily(hooks: readonly HookStatus[]): Measured {
  const samples = hooks.map(({ hook, where, mode, attached }) => {
    return { labels: { hook, where, mode }, value: attached ? 1 : 0 };
  });
  return gauge('vipd_hook_attached', 'Whether a hook is attached', samples);
}
