import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../ts/util/paths.js';
import type { Results } from './features.js';
import type { SuiteResult } from './suites.js';

/** What became of suites on kernels, in a file: a run of some of them leaves what is known of the others. */
export class ResultsFile {
  readonly #path: string;
  readonly #byKernel: Record<string, Record<string, SuiteResult>>;

  constructor(path = join(packageRoot, 'out', 'vm', 'results.json')) {
    this.#path = path;
    this.#byKernel = read(path);
  }

  set(release: string, suite: string, { passed, failed, skipped }: SuiteResult): void {
    this.#byKernel[release] = { ...this.#byKernel[release], [suite]: { passed, failed, skipped, output: '' } };
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, JSON.stringify(this.#byKernel));
  }

  /** Kernels by age. */
  all(): ReadonlyMap<string, Results> {
    const age = (release: string) => release.split(/[.-]/).slice(0, 2).map(Number);
    const order = Object.entries(this.#byKernel).sort(([a], [b]) => {
      const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = [age(a), age(b)];
      return major - otherMajor || minor - otherMinor;
    });
    return new Map(order);
  }
}

function read(path: string): Record<string, Record<string, SuiteResult>> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
}
