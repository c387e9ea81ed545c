import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { formatEndpoint } from '../../model/address.js';
import { vipFqdn } from '../../model/name.js';
import { faultText } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import { connectCells, connectColumns, connectText } from '../connects.js';
import { age, count, properties, size, table } from '../output.js';
import type { Commands } from '../session.js';

type Vip = Output<Routes['vip']>;

export function addVip(commands: Commands): void {
  commands.add('vip <name>', 'one VIP, by the name of its service or as ADDRESS:PORT, tcp/ADDRESS:PORT').action(
    commands.action(async (session, key: string) => {
      const vip = await session.client.vip({ key });
      session.print(vip, () => vipText(vip, Date.now()));
      return exitStatus.ok;
    }),
  );
}

/** One VIP with a table of its backends. */
export function vipText(vip: Vip, now: number): string {
  const { connections, packets, bytes, refused } = vip.counters ?? {};
  const programmed = vip.fault === undefined ? vip.programmed : `${vip.programmed}: ${faultText(vip.fault)}`;
  const head = properties([
    ['vip', vip.key],
    ...(vip.vipName ? [['name', vipFqdn(vip.vipName)] as const] : []),
    ['service', `${vip.name}, from ${vip.source}`],
    ['programmed', programmed],
    ...policyLines(vip.policy),
    [
      'traffic',
      `${count(connections)} connections, ${count(packets)} packets, ${size(bytes)}, ${count(refused)} refused`,
    ],
    ...line('connects', vip.connects && connectText(vip.connects)),
  ]);
  return `${head}\n\n${backendTable(vip, now)}`;
}

function policyLines(policy: Vip['policy'] = {}): [name: string, value: string][] {
  const { schedule, affinity, locality, outlier, allow, deny, connectionRate } = policy;
  return [
    ['schedule', schedule ?? 'maglev'],
    ...line('affinity', affinity && `a client keeps its backend until silent for ${affinity}`),
    ...line('locality', locality && `prefers its ${locality.prefer}, spills over below ${locality.spillover} % usable`),
    ...line('outliers', outlier && outlierText(outlier)),
    ...line('allow', allow && (allow.join(', ') || 'nobody')),
    ...line('deny', deny?.join(', ')),
    ...line('limit', connectionRate && `${connectionRate} new connections a second from one source`),
  ];
}

function outlierText(outlier: NonNullable<NonNullable<Vip['policy']>['outlier']>): string {
  const { consecutive, failurePercent, minimumConnects, window, ejection, maxEjection, maxEjectedPercent } = outlier;
  const when = `${consecutive} failed connects in a row or ${failurePercent} % of ${minimumConnects} in ${window}`;
  return `left alone after ${when}, for ${ejection} to ${maxEjection}, at most ${maxEjectedPercent} %`;
}

function line(name: string, value: string | 0 | undefined): [name: string, value: string][] {
  return value ? [[name, value]] : [];
}

const traffic = [
  { title: 'BACKEND' },
  { title: 'NODE' },
  { title: 'WEIGHT', right: true },
  { title: 'CONNECTIONS', right: true },
  { title: 'BYTES', right: true },
];
const standing = [{ title: 'STATE' }, { title: 'FOR' }, { title: 'REASON' }];

function backendTable(vip: Vip, now: number): string {
  const connects = connectColumns(vip.backends.map((backend) => backend.connects));
  const rows = vip.backends.map((backend) => [
    formatEndpoint(backend),
    backend.node ?? '-',
    String(backend.weight),
    count(backend.counters?.connections),
    size(backend.counters?.bytes),
    ...connectCells(backend.connects, connects),
    backend.state,
    age(backend.since, now),
    backend.reason,
  ]);
  return table([...traffic, ...connects, ...standing], rows);
}
