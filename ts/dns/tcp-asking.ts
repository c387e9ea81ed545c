import { createConnection, type Socket } from 'node:net';
import type { Endpoint } from '../model/address.js';
import type { Outcome, Patience } from './asking.js';
import { Frames, framed } from './frames.js';
import { randomWord } from './message.js';
import { answersQuestion } from './reply.js';

interface Pending {
  readonly query: Buffer;
  readonly questionEnd: number;
  readonly done: (outcome: Outcome) => void;
  timer: NodeJS.Timeout;
}

const idleMs = 5_000;

/** One connection to a server, for any number of questions at a time (RFC 7766 §6.2.1); made when needed, closed when idle. */
export class TcpAsking {
  #connection: Socket | undefined;
  readonly #pending = new Map<number, Pending>();

  constructor(private readonly server: Endpoint) {}

  ask(query: Buffer, questionEnd: number, { waitMs, late }: Patience, done: (outcome: Outcome) => void): void {
    let id = randomWord();
    while (this.#pending.has(id)) id = randomWord();
    query.writeUInt16BE(id, 0);
    const timer = setTimeout(() => this.#wait(id, late()), waitMs);
    this.#pending.set(id, { query, questionEnd, done, timer });
    this.#connection ??= this.#connect();
    this.#connection.write(framed(query));
  }

  close(): void {
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
    this.#connection?.destroy();
  }

  #connect(): Socket {
    const connection = createConnection({ host: this.server.address, port: this.server.port, noDelay: true });
    const frames = new Frames(0xffff);
    const end = () => this.#lost(connection);
    connection.setTimeout(idleMs, end);
    connection.on('data', (piece) => {
      for (const message of frames.push(piece)) this.#hear(message);
    });
    connection.on('error', end);
    connection.on('close', end);
    connection.unref();
    return connection;
  }

  #hear(message: Buffer): void {
    const id = message.length < 2 ? -1 : message.readUInt16BE(0);
    const pending = this.#pending.get(id);
    const question = pending?.query.subarray(0, pending.questionEnd);
    if (question && answersQuestion(message, question, 'any case')) this.#settle(id, message);
  }

  #lost(connection: Socket): void {
    connection.destroy();
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    for (const id of [...this.#pending.keys()]) this.#settle(id, 'unreachable');
  }

  #wait(id: number, ms: number): void {
    const pending = this.#pending.get(id);
    if (pending !== undefined && ms > 0) pending.timer = setTimeout(() => this.#settle(id, 'timeout'), ms);
    else this.#settle(id, 'timeout');
  }

  #settle(id: number, outcome: Outcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.done(outcome);
  }
}
