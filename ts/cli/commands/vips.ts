import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { vipNameText } from '../../model/name.js';
import { exitStatus } from '../../util/exit.js';
import { count, size, table } from '../output.js';
import type { Commands } from '../session.js';

type Vip = Output<Routes['vip']>;

export function addVips(commands: Commands): void {
  commands.add('vips', 'every VIP').action(
    commands.action(async (session) => {
      const answer = await session.client.vips();
      session.print(answer, () => vipTable(answer.vips));
      return exitStatus.ok;
    }),
  );
}

const columns = [
  { title: 'VIP' },
  { title: 'NAME' },
  { title: 'SERVICE' },
  { title: 'SOURCE' },
  { title: 'ACTIVE', right: true },
  { title: 'CONNECTIONS', right: true },
  { title: 'BYTES', right: true },
  { title: 'REFUSED', right: true },
  { title: 'PROGRAMMED' },
];

function vipTable(vips: readonly Vip[]): string {
  return table(columns, vips.map(vipRow));
}

function vipRow(vip: Vip): string[] {
  const active = vip.backends.filter((backend) => backend.state === 'active').length;
  const { connections, bytes, refused } = vip.counters ?? {};
  return [
    vip.key,
    vip.vipName ? vipNameText(vip.vipName) : '-',
    vip.name,
    vip.source,
    `${active}/${vip.backends.length}`,
    count(connections),
    size(bytes),
    count(refused),
    vip.fault === undefined ? vip.programmed : `${vip.programmed}: ${vip.fault.cause}`,
  ];
}
