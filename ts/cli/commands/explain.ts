import { stringify } from 'yaml';
import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';
import { vipText } from './vip.js';

export function addExplain(commands: Commands): void {
  commands.add('explain <vip>', 'why each backend is or is not in rotation, what the kernel holds, drift').action(
    commands.action(async (session, key: string) => {
      const answer = await session.client.explain({ key });
      const drift = () =>
        answer.drift.map((line) => `  ${line}`).join('\n') || '  none: the kernel holds what is desired';
      session.print(answer, () =>
        [
          vipText(answer.vip, Date.now()),
          `\ndrift\n${drift()}`,
          `\nkernel\n${answer.kernel === undefined ? '  nothing' : kernelText(answer.kernel)}`,
        ].join('\n'),
      );
      return exitStatus.ok;
    }),
  );
}

function kernelText(kernel: Readonly<Record<string, unknown>>): string {
  return stringify(kernel).trimEnd().replace(/^/gm, '  ');
}
