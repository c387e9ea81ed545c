import { faultOf, faultText } from '../../ts/util/errors.js';
import { table } from '../bench/statistics.js';
import { type KernelName, kernel, kernelNames } from './kernel.js';
import { runSuites, type SuiteResult } from './suites.js';

/** `npm run test:kernels [-- 6.1|6.12…] [-- FILE…]`: every suite that means something in a guest, on every kernel. */

const everything = ['guest', 'contract', 'bpf', 'netns', 'native'].map((name) => `dist/test/${name}/**/*.test.js`);

const onOutput = (text: string) => void process.stdout.write(text);

/** What became of each suite on each kernel: `12`, or `11 of 12` when one failed, and how many were skipped. */
function summary(results: ReadonlyMap<string, SuiteResult>): string {
  const suiteOf = (title: string) => title.split(' › ').slice(0, -1).join(' › ') || 'all';
  const of = (titles: readonly string[], suite: string) => titles.filter((title) => suiteOf(title) === suite).length;
  const every = [...results.values()].flatMap(({ passed, failed, skipped }) => [...passed, ...failed, ...skipped]);
  const cell = ({ passed, failed, skipped }: SuiteResult, suite: string) => {
    const [good, bad, left] = [of(passed, suite), of(failed, suite), of(skipped, suite)];
    return `${good}${bad > 0 ? ` of ${good + bad}` : ''}${left > 0 ? `, ${left} skipped` : ''}`;
  };
  const rows = [...new Set(every.map(suiteOf))]
    .sort()
    .map((suite) => [suite, ...[...results.values()].map((result) => cell(result, suite))]);
  return table([['passed', ...results.keys()], ...rows]);
}

const args = process.argv.slice(2);
const isKernel = (arg: string): arg is KernelName => kernelNames.includes(arg as KernelName);
const names = args.some(isKernel) ? args.filter(isKernel) : kernelNames;
const files = args.filter((arg) => !isKernel(arg));

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const results = new Map<string, SuiteResult>();
for (const name of names) {
  try {
    const stock = kernel(name);
    console.log(`# kernel ${stock.release}`);
    const result = await runSuites(stock, files.length > 0 ? files : everything, { thorough: true, onOutput });
    console.log(
      `# kernel ${stock.release}: ${result.passed.length} passed, ${result.failed.length} failed, ${result.skipped.length} skipped`,
    );
    results.set(stock.release, result);
    if (result.failed.length > 0) process.exitCode = 1;
  } catch (error) {
    console.error(faultText(faultOf(error, `kernel ${name}`)));
    process.exitCode = 1;
  }
}
console.log(`\n${summary(results)}`);
