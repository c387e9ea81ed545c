import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

export function addRm(commands: Commands): void {
  commands.add('rm <name>', 'remove a service that was set with vipctl or through the API').action(
    commands.action(async (session, name: string) => {
      const answer = await session.client.removeService({ name });
      session.print(answer, () => `service ${answer.removed} removed`);
      return exitStatus.ok;
    }),
  );
}
