import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../ts/util/paths.js';

/** Prints a part of the results. */
export type Say = (text: string) => void;

/** What the figures hold for. */
export function machine(): string {
  const load = loadavg().map((value) => value.toFixed(1));
  const when = new Date().toISOString().slice(0, 16).replace('T', ' ');
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, load ${load.join(' ')} at the start, ${when} UTC`;
}

/** Writes what was said to test/bench/README.md, in place of the run before. */
export function record(said: readonly string[]): void {
  const text = `# Benchmarks

\`npm run bench\` runs everything, \`npm run bench -- NAME…\` what is named: the columns of the first table (${'`connect`'},
${'`exchange`'}, ${'`request`'}, ${'`datagram`'}, ${'`wrk`'}, ${'`rate`'}, ${'`iperf`'}), ${'`dataplane`'} for the second, ${'`programming`'} for the third, ${'`start`'} for the last.
With \`--record\` it replaces the results below, which are those of the last recorded run; they hold for its machine, and only
figures of one run compare. Latencies are medians of all operations of half a second; the other numbers are rates.

\`direct\` is plain routing from the client's namespace to the server's, without a balancer.

\`\`\`
${said.join('\n').trimEnd()}
\`\`\`
`;
  writeFileSync(join(packageRoot, 'test/bench/README.md'), text);
}
