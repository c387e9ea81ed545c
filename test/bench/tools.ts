import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';

/** The compiled echo.c. */
export const echo = join(packageRoot, 'out/bench/echo');
/** The compiled cost.c. */
export const cost = join(packageRoot, 'out/bench/cost');
/** The compiled instructions.c. */
export const instructions = join(packageRoot, 'out/bench/instructions');

export function compileInstructions(): void {
  compile('instructions', instructions);
}

export function compileEcho(): void {
  compile('echo', echo);
}

export function compileCost(): void {
  compile('cost', cost, '-lbpf', '-lpthread');
}

function compile(name: string, program: string, ...libraries: readonly string[]): void {
  mkdirSync(join(packageRoot, 'out/bench'), { recursive: true });
  run(['gcc', '-O2', '-Wall', '-Wextra', '-o', program, join(packageRoot, `test/bench/${name}.c`), ...libraries]);
}
