import type { Frozen } from '../../api/routes/route.js';
import type { Event } from '../../api/routes/traffic.js';
import { formatEndpoint } from '../../model/address.js';
import { fillText } from '../../model/fill.js';
import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

export function addEvents(commands: Commands): void {
  commands
    .add('events', 'recent events')
    .option('--follow', 'then every new one as it happens', false)
    .action(
      commands.action(async (session, { follow }: { follow: boolean }) => {
        for await (const event of await session.client.events({ follow })) {
          session.printLine(event, () => eventText(event));
        }
        return exitStatus.ok;
      }),
    );
}

function eventText(event: Frozen<Event>): string {
  const words = [
    new Date(event.at).toISOString(),
    event.kind,
    event.vip,
    event.target && `to ${formatEndpoint(event.target)}`,
    event.client && `from ${formatEndpoint(event.client)}`,
    event.backend && `backend ${event.backend}`,
    event.hook && `by ${event.hook}`,
    event.sockets && `${event.sockets} ${event.sockets === 1 ? 'socket' : 'sockets'}`,
    event.fill && fillText(event.fill),
    event.text,
  ];
  return words.filter((word) => word !== undefined && word !== '').join(' ');
}
