import type { LabelReport } from '../model/label.js';
import type { SourceStatus } from '../model/status.js';
import { type Collector, gauge, type Measured } from '../util/metric.js';

/** How much each source says and how old that is. */
export function sourceCollector(
  sources: { status(): readonly SourceStatus[]; labels(): ReadonlyMap<string, LabelReport> },
  now: () => number = Date.now,
): Collector {
  return async () => {
    const all = sources.status();
    const labels = [...sources.labels()];
    const byLabels = (name: string, help: string, value: (report: LabelReport) => number) =>
      gauge(
        name,
        help,
        labels.map(([source, report]) => ({ labels: { source }, value: value(report) })),
      );
    const reported = all.filter((one) => one.updated !== undefined);
    return [
      family('vipd_source_services', 'Services in the last good set of a source', all, (one) => one.services),
      family('vipd_source_faults', 'What is wrong with a source now', all, (one) => one.faults.length),
      family('vipd_source_age_seconds', 'Age of the last good set of a source', reported, (one) => {
        return (now() - (one.updated ?? 0)) / 1_000;
      }),
      byLabels('vipd_labels_rejected', 'Labels of tasks that ask for a VIP and make none', ({ rejected }) => {
        return rejected.length;
      }),
      byLabels('vipd_labels_shared_vips', 'VIPs that the labels of several applications ask for', ({ shared }) => {
        return shared.length;
      }),
    ];
  };
}

function family(
  name: string,
  help: string,
  sources: readonly SourceStatus[],
  value: (one: SourceStatus) => number,
): Measured {
  return gauge(
    name,
    help,
    sources.map((one) => ({ labels: { source: one.name }, value: value(one) })),
  );
}
