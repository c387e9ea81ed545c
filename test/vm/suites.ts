import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { packageRoot } from '../../ts/util/paths.js';
import { tapResult } from '../helpers/tap-summary.js';
import { runInGuest } from './guest.js';
import type { Kernel } from './kernel.js';

/** What became of the tests of some suites on one kernel. */
export interface SuiteResult {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  /** Everything the test runner wrote. */
  readonly output: string;
}

export interface SuiteOptions {
  /** Repeats what `npm test` tries a few times only. */
  readonly thorough?: boolean;
  /** Milliseconds until the guest is killed; default four hours. */
  readonly timeoutMs?: number;
  /** Takes what the test runner writes, as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** Emulation is ten times slower, more on a busy machine, and deadlines in tests are for machines. */
export const guestEnvironment = { VIPD_PATIENCE: '60', VIPD_GUEST: '1' };

/** How often suites try what they try, and with which numbers, where the caller says so. */
const AMOUNTS = ['VIPD_TOGGLES', 'VIPD_KILLS', 'VIPD_VIPS', 'VIPD_SEED'];
const amounts = () =>
  Object.fromEntries(AMOUNTS.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));

/** Runs suites, patterns of compiled test files, inside a guest. @throws Error when the guest or the runner dies */
export async function runSuites(
  kernel: Kernel,
  suites: readonly string[],
  { thorough = false, timeoutMs = 4 * 3_600_000, onOutput }: SuiteOptions = {},
): Promise<SuiteResult> {
  const environment = { ...guestEnvironment, ...(thorough ? { VIPD_THOROUGH: '1' } : {}), ...amounts() };
  // Emulated side by side, 6.12 has panicked while it patched its own code under two processors.
  const options = { kernel, timeoutMs, cpus: 1, environment, ...(onOutput ? { onOutput } : {}) };
  const { output } = await runInGuest(options, commandOf(suites));
  return resultIn(output, kernel.release);
}

/** The same on this machine. */
export async function runSuitesHere(suites: readonly string[], { onOutput }: SuiteOptions = {}): Promise<SuiteResult> {
  const [program = '', ...args] = commandOf(suites);
  const child = spawn(program, args, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onOutput?.(text);
  });
  await once(child, 'close');
  return resultIn(output, 'this machine');
}

function commandOf(suites: readonly string[]): string[] {
  const runner = 'node_modules/ava/entrypoints/cli.mjs';
  return [process.execPath, runner, '--tap', '--timeout=55m', '--config', 'ava.config.js', ...suites];
}

function resultIn(output: string, place: string): SuiteResult {
  const lines = output.split('\n');
  const titles = (outcome: string) =>
    lines.map(tapResult).flatMap((result) => (result?.outcome === outcome ? [result.title] : []));
  if (!lines.some((line) => /^1\.\.\d+$/.test(line)))
    throw new Error(`on ${place} the test runner ended before its last test\n${output.slice(-4_000)}`);
  return { passed: titles('passed'), failed: titles('failed'), skipped: titles('skipped'), output };
}
