import { stringify } from 'yaml';
import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { exitStatus } from '../../util/exit.js';
import { age } from '../output.js';
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
          ...(answer.nodes.length === 0 ? [] : [`\nnodes\n${nodesText(answer.nodes, Date.now())}`]),
          `\ndrift\n${drift()}`,
          `\nkernel\n${answer.kernel === undefined ? '  nothing' : kernelText(answer.kernel)}`,
        ].join('\n'),
      );
      return exitStatus.ok;
    }),
  );
}

function nodesText(nodes: Output<Routes['explain']>['nodes'], now: number): string {
  const lines = nodes.map(({ name, state, heard, backends, active }) => {
    const spoke = state === 'self' ? '' : `, heard ${age(heard, now)} ago`;
    return `  ${name}: ${state}${spoke}; ${active} of its ${backends} backends in rotation here`;
  });
  return lines.join('\n');
}

function kernelText(kernel: Readonly<Record<string, unknown>>): string {
  return stringify(kernel).trimEnd().replace(/^/gm, '  ');
}
