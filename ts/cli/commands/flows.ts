import { InvalidArgumentError } from 'commander';
import type { Output } from '../../api/routes/route.js';
import type { trafficRoutes } from '../../api/routes/traffic.js';
import { formatEndpoint } from '../../model/address.js';
import { exitStatus } from '../../util/exit.js';
import { table } from '../output.js';
import type { Commands } from '../session.js';

const columns = [
  { title: 'VIP' },
  { title: 'CLIENT' },
  { title: 'BACKEND' },
  { title: 'STATE' },
  { title: 'IDLE', right: true },
];

const exactColumns = [
  { title: 'SEEN AS' },
  { title: 'AGE', right: true },
  { title: 'SENT', right: true },
  { title: 'RECEIVED', right: true },
];

type Flow = Output<typeof trafficRoutes.flows>['flows'][number];

export function addFlows(commands: Commands): void {
  commands
    .add('flows', 'connections tracked now')
    .option('--limit <n>', 'show at most so many', positiveInteger, 1_000)
    .option('--exact', 'only those tracked by all of their ends, with what they have carried')
    .action(
      commands.action(async (session, { limit, exact = false }: { limit: number; exact?: boolean }) => {
        const answer = await session.client.flows({ limit, ...(exact && { exact }) });
        const shown = exact ? [...columns, ...exactColumns] : columns;
        const rows = () => answer.flows.map((flow) => (exact ? [...row(flow), ...exactRow(flow)] : row(flow)));
        session.print(answer, () => table(shown, rows()));
        return exitStatus.ok;
      }),
    );
}

function row(flow: Flow): string[] {
  const client = flow.client === undefined ? '-' : formatEndpoint(flow.client);
  return [flow.vip, client, flow.backend, flow.state, `${Math.round(flow.idleSeconds)}s`];
}

/** Packets and bytes each way. */
function exactRow({ exact }: Flow): string[] {
  if (exact === undefined) return [];
  const { source, ageSeconds, sent, received } = exact;
  const both = [sent, received].map(({ packets, bytes }) => `${packets}/${bytes}`);
  return [formatEndpoint(source), `${Math.round(ageSeconds)}s`, ...both];
}

function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a positive integer is wanted');
}
