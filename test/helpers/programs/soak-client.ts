import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEndpoint } from '../../../ts/model/address.js';
import { codeOf } from './conversation.js';

/**
 * `soak-client.js SECONDS BYTES LETTERS ADDRESS:PORT`: for so long it has one download of so many bytes, connections that are
 * idle, one that is busy, and new ones all the while. Only backends of LETTERS are held on to: the others come and go. Prints
 * `settled` when all is open, and at the end what became of it, as JSON.
 */

/** Of a connection that was held. */
export interface Held {
  readonly kind: 'transfer' | 'idle' | 'busy';
  readonly letter: string;
  /** Bytes that came; of the others than the transfer one an answer. */
  readonly bytes: number;
  /** Of them those that another backend has sent. */
  readonly wrong: number;
  readonly error?: string;
}

export interface SoakFigures {
  readonly held: readonly Held[];
  /** Of new connections: answers by letter, errors by code. */
  readonly answers: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

const IDLE = 8;
const PAUSE_MS = 20;
/** Whoever is not answered by then has lost its connection without being told. */
const PATIENCE_MS = 30_000;
const [seconds = '0', bytes = '0', letters = '', target = ''] = process.argv.slice(2);
const { address, port } = parseEndpoint(target);
const begun = performance.now();
const end = begun + Number(seconds) * 1_000;

function connect(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: address, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** What ended a connection while nobody was asking by it. */
const failures = new Map<Socket, Error>();

/** One line for one letter. */
function ask(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => fail(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })), PATIENCE_MS);
    const done = () => {
      clearTimeout(late);
      socket.off('data', take).off('error', fail).off('close', close);
    };
    const take = (data: Buffer) => {
      done();
      resolve(data.toString('latin1'));
    };
    const fail = (error: Error) => {
      done();
      reject(error);
    };
    const close = () => fail(Object.assign(new Error('closed'), { code: 'CLOSED' }));
    const before = failures.get(socket);
    if (before !== undefined || socket.destroyed) return fail(before ?? new Error('closed'));
    socket.on('data', take).on('error', fail).on('close', close);
    socket.write('?\n');
  });
}

/** A connection to a backend that stays. */
async function hold(): Promise<{ socket: Socket; letter: string }> {
  for (;;) {
    const socket = await connect();
    const letter = await ask(socket);
    if (letters.includes(letter)) {
      socket.on('error', (error) => failures.set(socket, error)); // whoever asks next is told
      return { socket, letter };
    }
    socket.destroy();
  }
}

async function outcome(kind: Held['kind'], letter: string, run: (count: (data: string) => void) => Promise<void>) {
  let [got, wrong] = [0, 0];
  const count = (data: string) => {
    got += data.length;
    if (data !== letter.repeat(data.length)) wrong += 1;
  };
  const error = await run(count).then(() => undefined, codeOf);
  return { kind, letter, bytes: got, wrong, ...(error === undefined ? {} : { error }) };
}

/** Takes no more than its share of each second, so that it lasts as long as the rest. */
function transfer({ socket, letter }: { socket: Socket; letter: string }): Promise<Held> {
  const rate = Number(bytes) / (end - begun);
  return outcome('transfer', letter, (count) => {
    let got = 0;
    return new Promise<void>((resolve, reject) => {
      socket.on('data', (data: Buffer) => {
        count(data.toString('latin1'));
        got += data.length;
        if (got >= Number(bytes)) resolve();
        const early = got / rate - (performance.now() - begun);
        if (early < 10) return;
        socket.pause();
        setTimeout(() => socket.resume(), early);
      });
      socket.on('error', reject);
      socket.on('close', () => reject(Object.assign(new Error('closed'), { code: 'CLOSED' })));
      socket.write(`get ${bytes}\n`);
    });
  });
}

function idle({ socket, letter }: { socket: Socket; letter: string }): Promise<Held> {
  return outcome('idle', letter, async (count) => {
    await sleep(end - performance.now());
    count(await ask(socket));
  });
}

function busy({ socket, letter }: { socket: Socket; letter: string }): Promise<Held> {
  return outcome('busy', letter, async (count) => {
    while (performance.now() < end) {
      count(await ask(socket));
      await sleep(PAUSE_MS);
    }
  });
}

const figures = { answers: {} as Record<string, number>, errors: {} as Record<string, number> };

async function anew(): Promise<void> {
  while (performance.now() < end) {
    try {
      const socket = await connect();
      const letter = await ask(socket).finally(() => socket.destroy());
      figures.answers[letter] = (figures.answers[letter] ?? 0) + 1;
    } catch (error) {
      const code = codeOf(error);
      figures.errors[code] = (figures.errors[code] ?? 0) + 1;
    }
    await sleep(PAUSE_MS);
  }
}

const open = await Promise.all(Array.from({ length: IDLE + 2 }, hold));
console.log('settled');
const [first, second, ...rest] = open;
const [held] = await Promise.all([Promise.all([transfer(first!), busy(second!), ...rest.map(idle)]), anew()]);
console.log(`\n${JSON.stringify({ held, ...figures } satisfies SoakFigures)}`);
process.exit(0);
