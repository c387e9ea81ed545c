import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** `asker.js NAME SERVER`: asks until the name has an address, then says which, and when by CLOCK_MONOTONIC, nanoseconds. */
const [name = '', server = ''] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([server]);
console.log('asking');
for (;;) {
  const [address] = await resolver.resolve4(name).catch(() => []);
  if (address !== undefined) {
    console.log(JSON.stringify({ address, at: String(process.hrtime.bigint()) }));
    break;
  }
  await sleep(5);
}
