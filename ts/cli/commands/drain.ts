import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

export function addDrain(commands: Commands): void {
  commands.add('drain <service> <backend>', 'send a backend no new connections; established ones go on').action(
    commands.action(async (session, service: string, backend: string) => {
      const answer = await session.client.drain({ service, backend });
      session.print(answer, () => `backend ${answer.backend} of ${answer.service} takes no new connections`);
      return exitStatus.ok;
    }),
  );
  commands.add('undrain <service> <backend>', 'send a drained backend new connections again').action(
    commands.action(async (session, service: string, backend: string) => {
      const answer = await session.client.undrain({ service, backend });
      session.print(answer, () => `backend ${answer.backend} of ${answer.service} takes new connections again`);
      return exitStatus.ok;
    }),
  );
}
