import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { properties, table } from '../output.js';
import type { Commands } from '../session.js';

type App = Output<Routes['endpoints']>['apps'][number];

export function addEndpoints(commands: Commands): void {
  commands.add('endpoints <app>', 'addresses, names and VIPs of the tasks of an application').action(
    commands.action(async (session, app: string) => {
      const answer = await session.client.endpoints({ app });
      session.print(answer, () => answer.apps.map(appText).join('\n\n'));
      return exitStatus.ok;
    }),
  );
}

function appText({ framework, app, address, dns, vip, tasks }: App): string {
  const rows = tasks.map(({ id, state, healthy, agent, endpoints }) => {
    const health = healthy === undefined ? 'unchecked' : healthy ? 'healthy' : 'not healthy';
    return [id, state, health, agent, endpoints.join(', ') || '-'];
  });
  const columns = ['TASK', 'STATE', 'HEALTH', 'AGENT', 'ENDPOINTS'].map((title) => ({ title }));
  const facts = properties([
    ['app', `${framework}/${app}`],
    ['address', address.join('\n') || 'none'],
    ['dns', dns.join('\n') || 'none'],
    ['vip', vip.join('\n') || 'none'],
  ]);
  return `${facts}\n\n${table(columns, rows)}`;
}
