import type { SuiteResult } from './suites.js';

/** Something a kernel is needed for, and the suites that look whether it is there: of it, all must pass. */
export interface Feature {
  readonly name: string;
  /** Below dist/test, without `.test.js`. */
  readonly suites: readonly string[];
  /** What the kernel's documentation says of 5.15, which no test runs on. */
  readonly documented: string;
}

/** bpf_loop is of 5.17, bpf_set_retval of 5.18. */
const noPrograms = 'no';
const bpf = (...names: readonly string[]) => names.map((name) => `bpf/${name}`);
const netns = (...names: readonly string[]) => names.map((name) => `netns/${name}`);

/** What `npm run test:kernels` runs, and the README's table shows. The quick ones come first. */
export const features: readonly Feature[] = [
  {
    name: 'eBPF data plane: programs verified, state held, adopted, repaired',
    suites: ['contract/ebpf', 'native/namespace'],
    documented: noPrograms,
  },
  {
    name: 'IPVS data plane: the same contract',
    suites: ['contract/ipvs'],
    documented: 'yes',
  },
  {
    name: 'packets translated, refused and answered bit for bit',
    suites: bpf(
      'cases',
      'checksum',
      'choosing',
      'counters',
      'flows',
      'fragments',
      'odd-checksum',
      'truncated',
      'tunnel-source',
    ),
    documented: noPrograms,
  },
  { name: 'sock hook', suites: netns('connects', 'sock-parts', 'sever', 'outliers'), documented: noPrograms },
  {
    name: 'tc and XDP between namespaces',
    suites: netns('serving', 'changes', 'hairpin', 'odd-packets'),
    documented: noPrograms,
  },
  { name: 'all three hooks at once, at the cgroup root', suites: ['guest/serving'], documented: noPrograms },
  {
    name: 'schedules and policies',
    suites: netns('policies', 'least-connections', 'latency'),
    documented: 'with IPVS, all but `latency`, `allow`, `deny`, rates',
  },
  { name: 'uplinks with VLAN tags, bonds', suites: ['guest/links'], documented: noPrograms },
  { name: '`tunnel` and `direct`', suites: netns('modes'), documented: 'with IPVS' },
  { name: '`exact` and full NAT', suites: ['bpf/exact', 'netns/exact'], documented: noPrograms },
  { name: 'past the stack between workloads (`redirect`)', suites: netns('redirect'), documented: noPrograms },
  { name: 'DNS, and containers led to it', suites: netns('dns', 'dns-intercept'), documented: 'yes' },
  {
    name: 'IPVS serving, policies, `tunnel` and `direct`, foreign services, faults of the machine',
    suites: ['guest/ipvs', 'guest/ipvs-policies', 'guest/ipvs-faults', 'guest/ipvs-removal'],
    documented: 'yes',
  },
  {
    name: 'eBPF and IPVS exchanged under load, drained, killed in between',
    suites: ['guest/drain', 'guest/drain-ports', 'guest/toggle', 'guest/toggle-kill', 'guest/toggle-many'],
    documented: 'no',
  },
  { name: 'systemd unit', suites: ['guest/systemd'], documented: 'with IPVS' },
];

/** Results of suites on one kernel. */
export type Results = Readonly<Record<string, SuiteResult>>;

/** Pure: whether all of a feature's tests passed, and how many; a dash where none was run. */
export function verdict({ suites }: Feature, results: Results): string {
  const ran = suites.flatMap((suite) => results[suite] ?? []);
  const sum = (of: 'passed' | 'failed' | 'skipped') => ran.reduce((all, result) => all + result[of].length, 0);
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
  if (passed + failed === 0) return '–';
  const notes = [
    failed > 0 ? `${failed} fail` : '',
    skipped > 0 ? `${skipped} skipped` : '',
    ran.length < suites.length ? `${suites.length - ran.length} of ${suites.length} suites not run` : '',
  ].filter((note) => note !== '');
  return `${failed > 0 ? 'no' : 'yes'}, ${passed} tests${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

/** Pure: feature × kernel, in Markdown; `byKernel` by what `uname -r` says, oldest first. */
export function featureTable(byKernel: ReadonlyMap<string, Results>): string {
  const rows = features.map((feature) => [
    feature.name,
    feature.documented,
    ...[...byKernel.values()].map((results) => verdict(feature, results)),
  ]);
  const head = ['', '5.15, by documentation', ...byKernel.keys()];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const START = '<!-- what `npm run test:kernels -- --record` saw -->';
const END = '<!-- end of what it saw -->';

/** Pure: a text with the table between its marks replaced. @throws Error without marks */
export function withTable(text: string, table: string): string {
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`the text has no ${START} with ${END} behind it`);
  return `${text.slice(0, start)}${START}\n\n${table}\n\n${text.slice(end)}`;
}
