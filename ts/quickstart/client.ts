import { Resolver } from 'node:dns';
import { Agent, get } from 'node:http';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

/** What came of a number of requests, as the client prints it in JSON. */
export interface Figures {
  /** Answers by the name of the backend that gave them. */
  readonly answers: Record<string, number>;
  /** Failed requests by error code. */
  readonly failures: Record<string, number>;
  /** When the first and the last of these were begun, milliseconds since the epoch. */
  failed?: { readonly first: number; last: number };
}

/** Asks one DNS server for every connection anew; a name it does not know yet is an error like any other. */
function lookupAt(server: string): LookupFunction {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  resolver.setServers([server]);
  return (name, { all }, callback) => {
    resolver.resolve4(name, (error, addresses = []) => {
      const found = addresses.map((address) => ({ address, family: 4 }));
      if (error) callback(error, '');
      else if (all) callback(null, found);
      else callback(null, found[0]!.address, 4);
    });
  };
}

/** One request over a connection of its own; resolves to the answer without its newline. */
function request(url: string, lookup: LookupFunction | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: new Agent({ keepAlive: false }), timeout: 5000, ...(lookup && { lookup }) };
    const outgoing = get(url, options, (incoming) => {
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

function noteFailure(figures: Figures, error: NodeJS.ErrnoException, begun: number): void {
  countIn(figures.failures, error.code ?? error.message);
  const { first = begun, last = begun } = figures.failed ?? {};
  figures.failed = { first: Math.min(first, begun), last: Math.max(last, begun) };
}

/** Sends `total` requests, eight at a time; ends before that at SIGTERM. */
async function ask(url: string, total: number, pause: number, lookup?: LookupFunction): Promise<Figures> {
  const figures: Figures = { answers: {}, failures: {} };
  let left = total;
  process.once('SIGTERM', () => {
    left = 0;
  });
  const worker = async () => {
    while (left-- > 0) {
      const begun = Date.now();
      await request(url, lookup).then(
        (name) => countIn(figures.answers, name),
        (error: NodeJS.ErrnoException) => noteFailure(figures, error, begun),
      );
      if (pause > 0) await sleep(pause);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return figures;
}

/** `client.js URL COUNT [--resolver ADDRESS] [--pause MILLISECONDS]`; a COUNT of Infinity goes on until SIGTERM. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { resolver: { type: 'string' }, pause: { type: 'string', default: '0' } },
});
const [url = '', count = '1'] = positionals;
const lookup = values.resolver === undefined ? undefined : lookupAt(values.resolver);
console.log(JSON.stringify(await ask(url, Number(count), Number(values.pause), lookup)));
