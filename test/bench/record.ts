import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../ts/util/paths.js';

/** Prints a part of the results. */
export type Say = (text: string) => void;

const file = join(packageRoot, 'test/bench/README.md');

/** What the figures hold for. */
export function machine(): string {
  const load = loadavg().map((value) => value.toFixed(1));
  const when = new Date().toISOString().slice(0, 16).replace('T', ' ');
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, load ${load.join(' ')} at the start, ${when} UTC`;
}

/** Writes what a benchmark said to test/bench/README.md, in place of its run before. */
export function record(name: string, said: readonly string[]): void {
  writeFileSync(file, withSection(readFileSync(file, 'utf8'), name, said.join('\n').trimEnd()));
}

/** Pure: the text with the results below the heading of that name replaced, or put at the end. */
export function withSection(text: string, name: string, results: string): string {
  const section = `## ${name}\n\n\`\`\`\n${results}\n\`\`\`\n`;
  const [before = '', ...sections] = text.split(/^(?=## )/m);
  const at = sections.findIndex((one) => one.startsWith(`## ${name}\n`));
  if (at >= 0) sections[at] = section;
  else sections.push(section);
  return [before, ...sections]
    .map((part) => part.trimEnd())
    .join('\n\n')
    .concat('\n');
}
