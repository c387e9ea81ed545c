import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { table } from '../output.js';
import type { Commands } from '../session.js';

type Labels = Output<Routes['labels']>;

export function addLabels(commands: Commands): void {
  commands
    .add('labels', 'labels of tasks that make no VIP, and VIPs that several applications or sources ask for')
    .option('--rejected', 'only the labels that make no VIP; status 1 when there are any', false)
    .action(
      commands.action(async (session, { rejected }: { rejected: boolean }) => {
        const labels = await session.client.labels();
        session.print(rejected ? { rejected: labels.rejected } : labels, () =>
          rejected ? rejectedText(labels) : labelsText(labels),
        );
        return rejected && labels.rejected.length > 0 ? exitStatus.failed : exitStatus.ok;
      }),
    );
}

function labelsText(labels: Labels): string {
  const shared = labels.shared.map(({ vip, protocol, apps }) => [`${protocol}/${vip}`, apps.join(', ')]);
  const joint = labels.joint.map(({ vip, service, sources }) => [vip, service, sources.join(', ')]);
  return [
    rejectedText(labels),
    section('VIPs of several applications', ['VIP', 'APPLICATIONS'], shared),
    section('VIPs of several sources', ['VIP', 'SERVICE', 'SOURCES'], joint),
  ].join('\n\n');
}

function rejectedText({ rejected }: Labels): string {
  const rows = rejected.map(({ framework, task, agent, key, value, reason, mended = '-' }) => {
    return [`${framework}/${task}`, agent, `${key}=${value}`, reason, mended];
  });
  return section('labels that make no VIP', ['TASK', 'AGENT', 'LABEL', 'REASON', 'WRITE INSTEAD'], rows);
}

function section(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return `${title}: none`;
  const lines = table(
    columns.map((one) => ({ title: one })),
    rows,
  );
  return `${title}:\n${lines}`;
}
