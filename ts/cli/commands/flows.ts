import { InvalidArgumentError } from 'commander';
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

export function addFlows(commands: Commands): void {
  commands
    .add('flows', 'connections tracked now')
    .option('--limit <n>', 'show at most so many', positiveInteger, 1_000)
    .action(
      commands.action(async (session, { limit }: { limit: number }) => {
        const answer = await session.client.flows({ limit });
        const rows = () =>
          answer.flows.map((flow) => [
            flow.vip,
            flow.client === undefined ? '-' : formatEndpoint(flow.client),
            flow.backend,
            flow.state,
            `${Math.round(flow.idleSeconds)}s`,
          ]);
        session.print(answer, () => table(columns, rows()));
        return exitStatus.ok;
      }),
    );
}

function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a positive integer is wanted');
}
