import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Socket as Connection, connect } from 'node:net';
import { Dns } from '../../../ts/dns/dns.js';
import { Frames, framed } from '../../../ts/dns/frames.js';
import { nameKey } from '../../../ts/dns/name.js';
import { address } from '../../../ts/dns/record.js';
import { query, zonesOptions } from '../../unit/dns/asking-ours.js';
import type { Outcome } from '../frames/campaign.js';
import { Random } from '../random.js';
import { badAnswer } from './answer-check.js';
import { mutated } from './mutate.js';

// Damaged questions over real sockets: what receives, sends, cuts streams into messages and closes them is fuzzed too.

/** Packets of one seed. */
export const SERVER_EPOCH = 5_000;
const CLIENTS = 32;
/** What the kernel may take to lose a datagram, or the server to answer on a busy machine, milliseconds. */
const patienceMs = 10_000;
const GROWTH = 96 << 20;

const names = [
  'web.l4lb.thisdcos.directory',
  'many.l4lb.thisdcos.directory',
  'nobody.l4lb.thisdcos.directory',
  'example.org',
];
const questions = names.flatMap((name) =>
  ['A', 'AAAA', 'SRV', 'ANY', 'SOA'].flatMap((type) =>
    [undefined, 512, 4096].map((size) => query(name, { type, ...(size !== undefined && { size }) })),
  ),
);

/** One question at a time, so that every answer belongs to one. */
interface Client {
  /** Resolves to the answer, or to nothing where none is due. */
  ask(bytes: Buffer): Promise<Buffer | undefined>;
  close(): void;
}

export async function fuzzServer(seeds: Iterable<number>): Promise<Outcome> {
  const dns = await opened();
  let [packets, answers] = [0, 0];
  let settled: number | undefined;
  const start = performance.now();
  const failure = await campaign();
  dns.close();
  const rate = Math.round((1_000 * packets) / (performance.now() - start));
  const grown = (process.memoryUsage().rss - (settled ?? 0)) >> 20;
  return {
    failure,
    summary: `${packets} questions over sockets, ${answers} answered, ${rate} a second, memory ${grown} MiB more`,
  };

  async function campaign(): Promise<string | undefined> {
    for (const seed of seeds) {
      const random = new Random(seed);
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => clientOf(dns.listeners.port, i % 4 > 0)),
      );
      const results = await Promise.all(clients.map((one, i) => asked(one, random, i % 4 > 0)));
      for (const one of clients) one.close();
      settled ??= process.memoryUsage().rss;
      const problem = results.find((one) => one !== undefined);
      if (problem !== undefined) return `seed ${seed}: ${problem}`;
      if (process.memoryUsage().rss - settled > GROWTH) return `seed ${seed}: memory grew`;
    }
    return undefined;
  }

  async function asked(client: Client, random: Random, udp: boolean): Promise<string | undefined> {
    for (let i = 0; i < SERVER_EPOCH / CLIENTS; i++) {
      const bytes = mutated(random, random.pick(questions)).subarray(0, 4_096);
      const answer = await client.ask(bytes);
      packets += 1;
      if (answer !== undefined) answers += 1;
      const problem = badAnswer(bytes, udp, answer);
      if (problem !== undefined) return `${problem}\nquestion ${bytes.toString('hex')} over ${udp ? 'udp' : 'tcp'}`;
    }
    return undefined;
  }
}

/** Nothing can be asked of others, so that every answer comes at once. */
async function opened(): Promise<Dns> {
  const dns = new Dns(
    {
      endpoints: [{ address: '127.0.0.1', port: 0 }],
      ...{ socketsEach: 2, receiveBuffer: 1 << 20, maxConnections: 64, maxPipelined: 64 },
      ...{ order: 'rotate', udpCeiling: 1232, forward: new Map() },
      recursor: { bytes: 1 << 20, staleMs: 0, serveStale: false, maxQuestions: 10, maxWaiting: 10 },
      zones: { ...zonesOptions, tasks: undefined },
    },
    { logger: { info: () => {}, warn: () => {} } },
  );
  dns.zones.setNames(new Map());
  const many = Array.from({ length: 300 }, (_, i) => address(`10.0.${i >> 8}.${i & 255}`));
  dns.zones.vips.set(
    'many',
    many.map((data) => ({ name: nameKey(names[1]!), data })),
  );
  dns.zones.vips.set('web', [{ name: nameKey(names[0]!), data: address('11.0.0.80') }]);
  await dns.open();
  return dns;
}

const isDue = (bytes: Buffer) => bytes.length >= 12 && (bytes[2]! & 0x80) === 0;

async function clientOf(port: number, udp: boolean): Promise<Client> {
  if (!udp) return new TcpClient(port);
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return new UdpClient(socket);
}

/** One question at a time: its answer, or nothing when it is over without one. */
class Turn {
  #hear = (_answer: Buffer | undefined) => {};

  begin(ask: () => void): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.end(undefined), patienceMs);
      this.#hear = (answer) => {
        clearTimeout(timer);
        this.#hear = () => {};
        resolve(answer);
      };
      ask();
    });
  }

  end(answer: Buffer | undefined): void {
    this.#hear(answer);
  }
}

class UdpClient implements Client {
  readonly #turn = new Turn();

  constructor(private readonly socket: Socket) {
    socket.on('message', (message) => this.#turn.end(message));
  }

  ask(bytes: Buffer): Promise<Buffer | undefined> {
    return this.#turn.begin(() =>
      this.socket.send(bytes, () => {
        if (!isDue(bytes)) setImmediate(() => this.#turn.end(undefined));
      }),
    );
  }

  close(): void {
    this.socket.close();
  }
}

/** Connects anew where the server has ended the connection, as it does where no answer is due. */
class TcpClient implements Client {
  #connection: Connection | undefined;
  readonly #turn = new Turn();

  constructor(private readonly port: number) {}

  ask(bytes: Buffer): Promise<Buffer | undefined> {
    return this.#turn.begin(() => {
      this.#connection ??= this.#connect();
      this.#connection.write(framed(bytes));
    });
  }

  close(): void {
    this.#connection?.destroy();
  }

  #connect(): Connection {
    const connection = connect({ host: '127.0.0.1', port: this.port, noDelay: true });
    const frames = new Frames(0xffff);
    connection.on('data', (piece) => {
      for (const message of frames.push(piece)) this.#turn.end(message);
    });
    connection.on('error', () => {});
    connection.on('close', () => {
      if (this.#connection === connection) this.#connection = undefined;
      this.#turn.end(undefined);
    });
    return connection;
  }
}
