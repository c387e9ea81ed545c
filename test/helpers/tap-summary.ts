import { createInterface } from 'node:readline';

/** What one line of TAP 13 says about a test; undefined for diagnostics, comments, version and plan. */
export type TapResult = { readonly outcome: 'passed' | 'failed' | 'skipped'; readonly title: string };

/** Reads a test line as ava writes it. An unfinished test (`# TODO`) counts as failed. */
export function tapResult(line: string): TapResult | undefined {
  const match = /^(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$/.exec(line);
  if (!match) return undefined;
  const title = match[2] ?? '';
  if (match[3]?.startsWith(' # SKIP')) return { outcome: 'skipped', title };
  return { outcome: match[1] === undefined ? 'passed' : 'failed', title };
}

/** Of what the runner says of one failure, as much is said again at the end. */
const REPEATED_LINES = 25;

const marks = { passed: '✔', failed: '✘', skipped: '-' } as const;

/** Counts of the TAP of `runs` runs, one behind the other. A run whose plan never came died on the way. */
export class TapSummary {
  readonly counts = { passed: 0, failed: 0, skipped: 0 };
  /** Each failure with what follows it: of a long run often only the end is at hand. */
  readonly #failures: string[][] = [];
  #follows = false;
  #plans = 0;

  constructor(private readonly runs = 1) {}

  /** Takes one line and returns what to show for it. */
  take(line: string): string | undefined {
    if (/^1\.\.\d+$/.test(line)) this.#plans += 1;
    const result = tapResult(line);
    if (result) {
      this.counts[result.outcome] += 1;
      this.#follows = result.outcome === 'failed';
      const shown = `${marks[result.outcome]} ${result.title}`;
      if (this.#follows) this.#failures.push([shown]);
      return shown;
    }
    if (/^(TAP version|1\.\.|# (tests|pass|skip|fail) |$)/.test(line)) return undefined;
    const shown = `  ${line}`;
    const failure = this.#follows ? this.#failures.at(-1) : undefined;
    if (failure && failure.length <= REPEATED_LINES) failure.push(shown);
    return shown;
  }

  get complete(): boolean {
    return this.#plans === this.runs;
  }

  get ok(): boolean {
    return this.complete && this.counts.failed === 0 && this.counts.passed > 0;
  }

  /** The counts, below all that failed. */
  toString(): string {
    const { passed, failed, skipped } = this.counts;
    const again = this.#failures.map((lines) => `${lines.join('\n')}\n\n`).join('');
    return `${again}${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
  }
}

/** `tap-summary.js [RUNS]` reads TAP from stdin and shows it for people; the last line is the summary, alone on its line. */
async function main(): Promise<void> {
  const summary = new TapSummary(Number(process.argv[2] ?? 1));
  for await (const line of createInterface({ input: process.stdin })) {
    const shown = summary.take(line);
    if (shown !== undefined) console.log(shown);
  }
  if (!summary.complete) console.log('✘ the test runner ended before its last test');
  console.log(`\n${summary}`);
  process.exitCode = summary.ok ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) await main();
