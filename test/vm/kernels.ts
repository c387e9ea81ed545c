import { faultOf, faultText } from '../../ts/util/errors.js';
import { type KernelName, kernel, kernelNames } from './kernel.js';
import { runSuites } from './suites.js';

/** `npm run test:kernels [-- 6.1|6.12…] [-- FILE…]`: every suite that means something in a guest, on every kernel. */

const everything = ['guest', 'contract', 'bpf', 'netns', 'native'].map((name) => `dist/test/${name}/**/*.test.js`);

const onOutput = (text: string) => void process.stdout.write(text);

const args = process.argv.slice(2);
const isKernel = (arg: string): arg is KernelName => kernelNames.includes(arg as KernelName);
const names = args.some(isKernel) ? args.filter(isKernel) : kernelNames;
const files = args.filter((arg) => !isKernel(arg));

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
for (const name of names) {
  try {
    const stock = kernel(name);
    console.log(`# kernel ${stock.release}`);
    const result = await runSuites(stock, files.length > 0 ? files : everything, { thorough: true, onOutput });
    console.log(
      `# kernel ${stock.release}: ${result.passed.length} passed, ${result.failed.length} failed, ${result.skipped.length} skipped`,
    );
    if (result.failed.length > 0) process.exitCode = 1;
  } catch (error) {
    console.error(faultText(faultOf(error, `kernel ${name}`)));
    process.exitCode = 1;
  }
}
