import { Resolver } from 'node:dns/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * `asker.js SERVER`: asks for each name it reads until that has an address, then says which, and when by CLOCK_MONOTONIC,
 * nanoseconds.
 */
const [server = ''] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([server]);

async function ask(name: string): Promise<void> {
  for (;;) {
    const [address] = await resolver.resolve4(name).catch(() => []);
    if (address !== undefined) {
      console.log(JSON.stringify({ address, at: String(process.hrtime.bigint()) }));
      return;
    }
    await sleep(5);
  }
}

console.log('asking');
createInterface({ input: process.stdin })
  .on('line', (name) => void ask(name))
  .on('close', () => process.exit(0));
