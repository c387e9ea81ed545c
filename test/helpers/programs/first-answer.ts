import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * `first-answer.js SERVER PORT`: for each line on its input, a name, asks the server for it until there is an address, and
 * connects there at that moment. Prints a line for each: `NAME ok`, or `NAME ADDRESS ERROR`.
 */
const [server = '', port = '80'] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([server]);

async function address(name: string): Promise<string> {
  for (;;) {
    const [first] = await resolver.resolve4(name).catch(() => []);
    if (first !== undefined) return first;
    await sleep(1);
  }
}

function connected(host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.once('connect', () => resolve('ok'));
    socket.once('error', ({ message }) => resolve(message));
    socket.once('close', () => socket.destroy());
  }).then((result) => String(result));
}

async function trial(name: string): Promise<void> {
  const host = await address(name);
  const result = await connected(host);
  console.log(result === 'ok' ? `${name} ok` : `${name} ${host} ${result}`);
}

for await (const name of createInterface(process.stdin)) void trial(name);
