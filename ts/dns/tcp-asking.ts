import { createConnection, type Socket } from 'node:net';
import type { Endpoint } from '../model/address.js';
import { Frames, framed } from './frames.js';
import { type Outcome, type Patience, Pending } from './pending.js';
import { answersQuestion } from './reply.js';

const idleMs = 5_000;

/** One connection to a server, for any number of questions at a time (RFC 7766 §6.2.1); made when needed, closed when idle. */
export class TcpAsking {
  #connection: Socket | undefined;
  readonly #pending = new Pending();

  constructor(private readonly server: Endpoint) {}

  ask(query: Buffer, questionEnd: number, patience: Patience, done: (outcome: Outcome) => void): void {
    this.#pending.add(query, questionEnd, patience, done);
    this.#connection ??= this.#connect();
    this.#connection.write(framed(query));
  }

  close(): void {
    this.#pending.forget();
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
    const question = this.#pending.questionOf(message);
    if (question && answersQuestion(message, question, 'any case'))
      this.#pending.settle(message.readUInt16BE(0), message);
  }

  #lost(connection: Socket): void {
    connection.destroy();
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#pending.settleAll('unreachable');
  }
}
