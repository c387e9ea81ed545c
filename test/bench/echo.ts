import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';

/** The compiled echo.c. */
export const echo = join(packageRoot, 'out/bench/echo');

export function compileEcho(): void {
  mkdirSync(join(packageRoot, 'out/bench'), { recursive: true });
  run(['gcc', '-O2', '-Wall', '-Wextra', '-o', echo, join(packageRoot, 'test/bench/echo.c')]);
}
