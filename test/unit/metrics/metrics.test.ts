import test from 'ava';
import { planeCollector } from '../../../ts/dataplane/metrics.js';
import { Metrics } from '../../../ts/metrics/metrics.js';
import { reconcileCollector } from '../../../ts/reconcile/metrics.js';
import { sourceCollector } from '../../../ts/sources/metrics.js';
import { counter, single } from '../../../ts/util/metric.js';
import { FakePorts, webStatus } from '../api/fake-ports.js';

const ports = new FakePorts();

function collectors() {
  return [
    planeCollector(ports.plane, () => new Map([[webStatus.key, 'web']])),
    reconcileCollector({ status: ports.status.reconcile, vips: () => ports.vips }),
    sourceCollector({ status: ports.status.sources, labels: ports.tasks.labels }, () => 3_400),
  ];
}

async function lines(): Promise<string[]> {
  return (await new Metrics({ version: '1.2.3' }, { collectors: collectors() }).text()).split('\n');
}

const expected = [
  '# TYPE vipd_vip_connections_total counter',
  'vipd_vip_connections_total{vip="tcp/11.0.0.80:80",name="web"} 5',
  'vipd_vip_packets_total{vip="tcp/11.0.0.80:80",name="web"} 60',
  'vipd_vip_bytes_total{vip="tcp/11.0.0.80:80",name="web"} 7000',
  'vipd_vip_refused_total{vip="tcp/11.0.0.80:80",name="web"} 1',
  'vipd_backend_bytes_total{vip="tcp/11.0.0.80:80",backend="10.0.0.1:8080"} 7000',
  'vipd_backend_connects_total{vip="tcp/11.0.0.80:80",backend="10.0.0.1:8080",outcome="connected"} 4',
  'vipd_backend_connects_total{vip="tcp/11.0.0.80:80",backend="10.0.0.1:8080",outcome="timed_out"} 0',
  'vipd_backend_connect_duration_seconds{vip="tcp/11.0.0.80:80",backend="10.0.0.1:8080",quantile="0.5"} 0.000008',
  '# TYPE vipd_vip_connect_duration_seconds histogram',
  'vipd_vip_connect_duration_seconds_bucket{vip="tcp/11.0.0.80:80",name="web",le="0.000008"} 2',
  'vipd_vip_connect_duration_seconds_bucket{vip="tcp/11.0.0.80:80",name="web",le="0.000016"} 3',
  'vipd_vip_connect_duration_seconds_bucket{vip="tcp/11.0.0.80:80",name="web",le="+Inf"} 4',
  'vipd_vip_connect_duration_seconds_sum{vip="tcp/11.0.0.80:80",name="web"} 0.25',
  'vipd_vip_connect_duration_seconds_count{vip="tcp/11.0.0.80:80",name="web"} 4',
  'vipd_verdicts_total{verdict="forwarded"} 60',
  '# TYPE vipd_hook_attached gauge',
  'vipd_hook_attached{hook="sock",where="/sys/fs/cgroup",mode="link"} 1',
  'vipd_reconcile_converged 1',
  'vipd_reconcile_passes_total 4',
  'vipd_reconcile_drift_total 2',
  'vipd_reconcile_last_pass_timestamp_seconds 0.95',
  'vipd_vip_programmed{vip="tcp/11.0.0.80:80",name="web"} 1',
  'vipd_backend_active{vip="tcp/11.0.0.80:80",backend="10.0.0.1:8080"} 1',
  'vipd_backend_active{vip="tcp/11.0.0.80:80",backend="10.0.0.2:8080"} 0',
  'vipd_backends{state="down"} 1',
  'vipd_source_services{source="file"} 1',
  'vipd_source_age_seconds{source="file"} 2.5',
  'vipd_labels_rejected{source="mesos-agent"} 1',
  'vipd_labels_shared_vips{source="mesos-agent"} 1',
  `vipd_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
  '# TYPE process_resident_memory_bytes gauge',
];

for (const line of expected) {
  test(`says ${line}`, async (t) => {
    t.true((await lines()).includes(line));
  });
}

test('every family has a unit or counts, help and one type', async (t) => {
  const all = await lines();
  const ours = all.filter((line) => line.startsWith('# TYPE vipd_')).map((line) => line.split(' '));
  t.true(ours.length >= 15);
  for (const [, , name = '', type] of ours) {
    t.is(type === 'counter', name.endsWith('_total'), name);
    t.is(all.filter((line) => line.startsWith(`# HELP ${name} `)).length, 1, name);
  }
});

test('a scrape measures anew and leaves nothing of the last one', async (t) => {
  let samples = [{ labels: { vip: 'a' }, value: 1 }];
  const metrics = new Metrics(
    { version: '1' },
    { collectors: [async () => [counter('vipd_x_total', 'x', samples), counter('vipd_y_total', 'y', single(2))]] },
  );
  t.regex(await metrics.text(), /vipd_x_total\{vip="a"\} 1/);
  samples = [{ labels: { vip: 'b"\n' }, value: 2 }];
  const second = await metrics.text();
  t.notRegex(second, /vip="a"/);
  t.true(second.includes('vipd_x_total{vip="b\\"\\n"} 2'));
  t.true(second.includes('vipd_y_total 2'));
});
