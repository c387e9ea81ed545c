import test from 'ava';
import { root } from '../helpers/needs.js';
import { kernel, kernelNames } from './kernel.js';
import { runSuites } from './suites.js';

// What `npm test` has time for; `npm run test:kernels` runs all that means something in a guest.
const suites = ['dist/test/guest/serving.test.js', 'dist/test/contract/ipvs.test.js'];

for (const name of kernelNames) {
  const declare = root.there ? test.serial : test.serial.skip;
  declare(`on kernel ${name}: ${suites.join(', ')} [needs root]`, async (t) => {
    t.timeout(900_000);
    const { passed, failed, skipped, output } = await runSuites(kernel(name), suites);
    t.deepEqual(failed, [], output);
    t.deepEqual(skipped, []);
    t.true(passed.length > 20);
  });
}
