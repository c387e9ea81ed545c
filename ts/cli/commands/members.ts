import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { age, table } from '../output.js';
import type { Commands } from '../session.js';

type Member = Output<Routes['members']>['members'][number];

/** Clocks that differ by less are as good as any. */
const SKEW_WORTH_TELLING_MS = 2_000;

export function addMembers(commands: Commands): void {
  commands.add('members', 'the nodes of the cluster as this one sees them').action(
    commands.action(async (session) => {
      const answer = await session.client.members();
      const { members } = answer;
      session.print(answer, () => (members.length === 0 ? 'this node is in no cluster' : memberTable(members)));
      return exitStatus.ok;
    }),
  );
}

const columns = [
  { title: 'NODE' },
  { title: 'STATE' },
  { title: 'FOR' },
  { title: 'ADDRESS' },
  { title: 'HEARD' },
  { title: 'RTT', right: true },
  { title: 'LIFE', right: true },
  { title: 'VIPS', right: true },
  { title: 'MODE' },
  { title: 'VERSION' },
  { title: 'KERNEL' },
  { title: 'NEIGHBOURS' },
  { title: 'ID' },
];

function memberTable(members: readonly Member[]): string {
  const now = Date.now();
  const rows = members.map((member) => [
    member.name || '-',
    member.state + skew(member.clockSkewMs),
    age(member.since, now),
    member.addresses.join(' ') || '-',
    member.state === 'self' ? '-' : `${age(member.heard, now)} ago`,
    member.rttMs === undefined ? '-' : `${member.rttMs.toFixed(1)} ms`,
    String(member.incarnation),
    String(member.vips),
    member.plane || '-',
    member.software || '-',
    member.kernel || '-',
    member.neighbours.join(' ') || 'none',
    member.id,
  ]);
  return table(columns, rows);
}

function skew(ms: number): string {
  if (Math.abs(ms) < SKEW_WORTH_TELLING_MS) return '';
  return ` (clock ${Math.abs(ms / 1000).toFixed(0)} s ${ms > 0 ? 'ahead' : 'behind'})`;
}
