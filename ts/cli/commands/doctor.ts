import type { DoctorCheck, DoctorReport } from '../../api/routes/node.js';
import type { Frozen } from '../../api/routes/route.js';
import { VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import { runVipd } from '../daemon.js';
import type { Commands, Session } from '../session.js';

export function addDoctor(commands: Commands): void {
  commands
    .add('doctor', 'what this machine offers vipd and what stands in the way; works without a daemon')
    .option('--config <file>', "configuration to look at when no daemon answers, else vipd's default")
    .action(
      commands.action(async (session, { config }: { config?: string }) => {
        const report = await doctorReport(session, config);
        session.print(report, () => reportText(report));
        return report.ok ? exitStatus.ok : exitStatus.failed;
      }),
    );
}

async function doctorReport(session: Session, config: string | undefined): Promise<Frozen<DoctorReport>> {
  try {
    return await session.client.doctor();
  } catch (error) {
    if (!(error instanceof VipdError) || error.code !== 'DAEMON_UNREACHABLE') throw error;
    const { status, stdout } = await runVipd(['doctor', ...(config === undefined ? [] : ['--config', config])]);
    if (stdout !== '') return JSON.parse(stdout) as DoctorReport;
    throw new VipdError({ code: 'DOCTOR_FAILED', object: 'vipd doctor', cause: `ended with status ${status}` });
  }
}

const marks = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const;

function reportText(report: Frozen<DoctorReport>): string {
  const width = Math.max(...report.checks.map((check) => check.name.length));
  const counts = new Map<string, number>();
  for (const check of report.checks) {
    const lines = checkText(check, width);
    counts.set(lines, (counts.get(lines) ?? 0) + 1);
  }
  return [...counts].map(([lines, n]) => (n === 1 ? lines : lines.replace(/$/m, ` (${n} programs)`))).join('\n');
}

/** One line, and one for the hint; the programs of a hook in one place have the same. */
function checkText({ name, result, detail, hint }: Frozen<DoctorCheck>, width: number): string {
  const line = `${marks[result]}  ${name.padEnd(width)}  ${detail}`;
  return hint === undefined ? line : `${line}\n${' '.repeat(width + 11)}hint: ${hint}`;
}
