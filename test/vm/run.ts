import { runInGuest } from './guest.js';
import { type KernelName, kernel, kernelNames } from './kernel.js';

/** `node dist/test/vm/run.js KERNEL COMMAND…`: runs a command in a guest, with its output and exit status. */

const [name, ...command] = process.argv.slice(2);
if (!kernelNames.includes(name as KernelName) || command.length === 0) {
  console.error(`usage: run.js ${kernelNames.join('|')} COMMAND…`);
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const options = {
  kernel: kernel(name as KernelName),
  timeoutMs: 3_600_000,
  counting: process.env.VIPD_COUNTING === '1',
};
const { status } = await runInGuest({ ...options, onOutput: (text) => void process.stdout.write(text) }, command);
process.exitCode = status;
