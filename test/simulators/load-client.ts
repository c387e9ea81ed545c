import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** `load-client.js URL`: asks, four at a time, until its input ends; for each line there it says what came of it so far. */

const [url = ''] = process.argv.slice(2);
let figures = { answers: {} as Record<string, number>, failures: {} as Record<string, number> };

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

function request(): Promise<void> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => {
      count(figures.failures, error.code ?? error.message);
      resolve();
    };
    const outgoing = get(url, { agent: new Agent({ keepAlive: false }), timeout: 3_000 }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      incoming.once('end', () => {
        count(figures.answers, text.trim());
        resolve();
      });
      incoming.once('error', failed);
    });
    outgoing.once('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })));
    outgoing.once('error', failed);
  });
}

async function worker(): Promise<void> {
  for (;;) {
    await request();
    await sleep(5);
  }
}

for (let i = 0; i < 4; i += 1) void worker();
console.log('ready');
createInterface({ input: process.stdin })
  .on('line', () => {
    console.log(JSON.stringify(figures));
    figures = { answers: {}, failures: {} };
  })
  .on('close', () => process.exit(0));
