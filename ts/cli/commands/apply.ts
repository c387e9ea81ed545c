import { readFileSync } from 'node:fs';
import { parseServices, serviceToJson } from '../../model/validation.js';
import { faultText, VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

export function addApply(commands: Commands): void {
  commands
    .add('apply', 'define every service of a file; all of them or, if one is wrong, none')
    .requiredOption('-f, --file <file>', 'YAML or JSON, as for the daemon; - is standard input')
    .option('--prune', 'remove services set earlier that the file does not name', false)
    .action(
      commands.action(async (session, { file, prune }: { file: string; prune: boolean }) => {
        const parsed = parseServices(readText(file), file === '-' ? 'stdin' : file);
        if (parsed.faults.length > 0) {
          session.print({ errors: parsed.faults }, () => parsed.faults.map(faultText).join('\n'));
          return exitStatus.failed;
        }
        const body = { services: parsed.services.map(serviceToJson) };
        const answer = await session.client.applyServices({ body, prune });
        session.print(answer, () => `${answer.services.length} services defined`);
        return exitStatus.ok;
      }),
    );
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new VipdError({ code: 'FILE_UNREADABLE', object: file, cause: (error as Error).message }, { cause: error });
  }
}
