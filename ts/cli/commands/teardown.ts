import { VipdError } from '../../util/errors.js';
import { runVipd } from '../daemon.js';
import type { Commands, Session } from '../session.js';

export function addTeardown(commands: Commands): void {
  commands
    .add('teardown', 'remove programs, maps, pins and routes from the kernel and end the daemon: VIPs stop working')
    .option('--config <file>', "configuration to go by when no daemon answers, else vipd's default")
    .action(
      commands.action(async (session, { config }: { config?: string }) => {
        const status = (await byDaemon(session)) ?? (await withoutDaemon(config));
        if (status === 0) session.print({ removed: true }, () => 'the kernel is as it was before vipd');
        return status;
      }),
    );
}

/** undefined when no daemon answers. */
async function byDaemon(session: Session): Promise<number | undefined> {
  try {
    await session.client.teardown();
    return 0;
  } catch (error) {
    if (error instanceof VipdError && error.code === 'DAEMON_UNREACHABLE') return undefined;
    throw error;
  }
}

async function withoutDaemon(config: string | undefined): Promise<number> {
  const { status } = await runVipd(['uninstall', ...(config === undefined ? [] : ['--config', config])]);
  return status;
}
