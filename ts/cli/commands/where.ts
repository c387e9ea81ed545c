import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { properties } from '../output.js';
import type { Commands } from '../session.js';
import { vipText } from './vip.js';

type Answer = Output<Routes['where']>;

export function addWhere(commands: Commands): void {
  commands.add('where <name>', 'where a name leads: its addresses, ports and backends').action(
    commands.action(async (session, name: string) => {
      const answer = await session.client.where({ name });
      session.print(answer, () => whereText(answer, Date.now()));
      return exitStatus.ok;
    }),
  );
}

function whereText({ name, vips }: Answer, now: number): string {
  const addresses = name.addresses.map(({ address, forwards }) =>
    forwards ? address : `${address}, NOT forwarding yet: the DNS must not answer with it`,
  );
  const head = properties([
    ['name', name.fqdn],
    ['addresses', addresses.join('\n')],
  ]);
  return [head, ...vips.map((vip) => vipText(vip, now))].join('\n\n');
}
