import { Agent, get } from 'node:http';

/** What came of a number of requests, as the client prints it in JSON. */
export interface Figures {
  /** Answers by the name of the backend that gave them. */
  readonly answers: Record<string, number>;
  /** Failed requests by error code. */
  readonly failures: Record<string, number>;
}

/** One request over a connection of its own; resolves to the answer without its newline. */
function request(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = get(url, { agent: new Agent({ keepAlive: false }), timeout: 5000 }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      incoming.once('end', () => resolve(text.trim()));
      incoming.once('error', reject);
    });
    outgoing.once('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })));
    outgoing.once('error', reject);
  });
}

function countIn(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Sends `total` requests, eight at a time. */
async function ask(url: string, total: number): Promise<Figures> {
  const figures: Figures = { answers: {}, failures: {} };
  let left = total;
  const worker = async () => {
    while (left-- > 0) {
      await request(url).then(
        (name) => countIn(figures.answers, name),
        (error: NodeJS.ErrnoException) => countIn(figures.failures, error.code ?? error.message),
      );
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return figures;
}

/** `client.js URL COUNT` */
const [url = '', count = '1'] = process.argv.slice(2);
console.log(JSON.stringify(await ask(url, Number(count))));
