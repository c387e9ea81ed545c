import { program, rootTest } from '../helpers/needs.js';
import { kernel } from './kernel.js';
import { runSuites } from './suites.js';

// What needs systemd, IPVS or a machine for itself, and fits into minutes; `npm run test:kernels` runs all, on every kernel.

const MINUTE = 60_000;
const suites = ['guest/systemd', 'guest/toggle'].map((name) => `dist/test/${name}.test.js`);

rootTest(
  'in a guest with a stock kernel the systemd unit serves, and eBPF is exchanged for IPVS and back under load',
  async (t) => {
    t.timeout(30 * MINUTE);
    const stock = kernel('6.12');
    const { passed, failed, skipped, output } = await runSuites(stock, suites, { timeoutMs: 29 * MINUTE });
    t.deepEqual(failed, [], output.slice(-8_000));
    t.deepEqual(skipped, []);
    t.true(passed.length > 0);
    t.log(`${stock.release}: ${passed.join('; ')}`);
  },
  program('qemu-system-x86_64'),
);
