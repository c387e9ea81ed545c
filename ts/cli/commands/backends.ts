import { formatEndpoint } from '../../model/address.js';
import { exitStatus } from '../../util/exit.js';
import { connectCells, connectColumns } from '../connects.js';
import { age, count, table } from '../output.js';
import type { Commands } from '../session.js';

const traffic = [
  { title: 'SERVICE' },
  { title: 'VIP' },
  { title: 'BACKEND' },
  { title: 'WEIGHT', right: true },
  { title: 'CONNECTIONS', right: true },
];
const standing = [{ title: 'STATE' }, { title: 'FOR' }, { title: 'REASON' }];

export function addBackends(commands: Commands): void {
  commands.add('backends', 'every backend of every VIP, and why it is or is not in rotation').action(
    commands.action(async (session) => {
      const answer = await session.client.backends();
      const now = Date.now();
      const connects = connectColumns(answer.backends.map(({ backend }) => backend.connects));
      const rows = () =>
        answer.backends.map(({ service, vip, backend }) => [
          service,
          vip,
          formatEndpoint(backend),
          String(backend.weight),
          count(backend.counters?.connections),
          ...connectCells(backend.connects, connects),
          backend.state,
          age(backend.since, now),
          backend.reason,
        ]);
      session.print(answer, () => table([...traffic, ...connects, ...standing], rows()));
      return exitStatus.ok;
    }),
  );
}
