import { fileURLToPath } from 'node:url';
import { runInGuest } from '../vm/guest.js';
import { type KernelName, kernel } from '../vm/kernel.js';
import { guestEnvironment } from '../vm/suites.js';
import type { Say } from './record.js';
import { compileInstructions } from './tools.js';

const program = fileURLToPath(new URL('ipvs-program.js', import.meta.url));

/** Counts, in a guest with a stock kernel, what a packet and a connection cost by every way there is. */
export async function ipvs(name: KernelName, rounds: number, say: Say): Promise<void> {
  compileInstructions();
  const stock = kernel(name);
  const options = { kernel: stock, timeoutMs: 2 * 3_600_000, counting: true, environment: guestEnvironment };
  // It takes long: what is done is seen as it comes.
  const onOutput = (text: string) => void process.stderr.write(text);
  const { status, output } = await runInGuest({ ...options, onOutput }, [process.execPath, program, String(rounds)]);
  if (status !== 0) throw new Error(`in the guest the benchmark ended with ${status}\n${output.slice(-2_000)}`);
  const tables = output.replace(/^#.*\n/gm, '');
  say(`instructions, ${stock.release}\n${tables}`);
  say(`medians of ${rounds} rounds ± half the range, of all that client, node and server execute on the guest's only`);
  say('processor; ratios hold for real ones within some percent, but caches and clocks are not emulated. The daemons');
  say(
    'stand still: what is counted is what is in the kernel. vipd needs tracking and masquerading, and where there is',
  );
  say('any NAT table the kernel tracks, and routes anew, what IPVS has translated: compare with IPVS beside NAT\n');
}
