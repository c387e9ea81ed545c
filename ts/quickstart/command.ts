import { spawnSync } from 'node:child_process';
import { VipdError } from '../util/errors.js';

/**
 * Runs a command to its end and returns what it printed. Synchronous, so that cleaning up also works while the process
 * is on its way out.
 * @throws VipdError COMMAND_FAILED
 */
export function run(argv: readonly string[], input = ''): string {
  const [file = '', ...args] = argv;
  const done = spawnSync(file, args, { input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status === 0) return done.stdout;
  const cause = done.error?.message ?? (done.stderr.trim() || `exit status ${done.status ?? done.signal}`);
  throw new VipdError({ code: 'COMMAND_FAILED', object: `\`${argv.join(' ')}\``, cause });
}

/** Runs a command whose failure does not matter, such as removing what may be gone already. */
export function attempt(argv: readonly string[]): boolean {
  const [file = '', ...args] = argv;
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}
