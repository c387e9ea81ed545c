import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { faultOf, faultText } from '../../ts/util/errors.js';
import { packageRoot } from '../../ts/util/paths.js';
import { features, featureTable, withTable } from './features.js';
import { type KernelName, kernel, kernelNames } from './kernel.js';
import { ResultsFile } from './results.js';
import { runSuites, runSuitesHere, type SuiteResult } from './suites.js';

/**
 * `npm run test:kernels [-- 6.1|6.12|host…] [-- SUITE…] [-- --record]`: every suite that needs a kernel, each in a guest of
 * its own, on every kernel. What they came to is kept, so that they may be run one by one; `--record` writes it to the README.
 */

/** Longer than any takes on a busy machine; a guest that hangs ends. */
const TIMEOUT_MS = 3_600_000;

const args = process.argv.slice(2);
const places = [...kernelNames, 'host'] as const;
type Place = (typeof places)[number];
const isPlace = (arg: string): arg is Place => places.includes(arg as Place);
const chosen = args.filter((arg) => !isPlace(arg) && arg !== '--record').map(suiteName);
const suites = chosen.length > 0 ? chosen : features.flatMap((feature) => feature.suites);
const wanted = args.some(isPlace) ? args.filter(isPlace) : kernelNames;
const results = new ResultsFile();

/** `contract/ipvs`, however it was named: dist/test/contract/ipvs.test.js. */
function suiteName(argument: string): string {
  return argument.replace(/^(dist\/)?test\//, '').replace(/\.test\.[jt]s$/, '');
}

async function runOne(place: Place, suite: string): Promise<void> {
  const file = `dist/test/${suite}.test.js`;
  const options = {
    thorough: true,
    timeoutMs: TIMEOUT_MS,
    onOutput: (text: string) => void process.stdout.write(text),
  };
  const begun = performance.now();
  const stock = place === 'host' ? undefined : kernel(place as KernelName);
  const name = stock?.release ?? release();
  console.log(`# ${suite} on ${name}`);
  const result = await (stock ? runSuites(stock, [file], options) : runSuitesHere([file], options)).catch(brokenOff);
  const { passed, failed, skipped } = result;
  const seconds = Math.round((performance.now() - begun) / 1_000);
  const counts = `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`;
  console.log(`# ${suite} on ${name}: ${counts} in ${seconds} s\n`);
  results.set(name, suite, result);
  if (failed.length > 0) process.exitCode = 1;
}

/** A guest or a runner that died has failed as a whole. */
function brokenOff(error: unknown): SuiteResult {
  const why = faultText(faultOf(error, 'the suite'));
  console.error(why);
  return { passed: [], failed: [why.split('\n')[0] ?? ''], skipped: [], output: '' };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
for (const place of wanted) for (const suite of suites) await runOne(place, suite);

const table = featureTable(results.all());
console.log(table);
if (args.includes('--record')) {
  const file = join(packageRoot, 'README.md');
  writeFileSync(file, withTable(readFileSync(file, 'utf8'), table));
}
