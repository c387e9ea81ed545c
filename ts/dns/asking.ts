import { createSocket, type Socket } from 'node:dgram';
import { type Endpoint, familyOf } from '../model/address.js';
import { type Outcome, type Patience, Pending } from './pending.js';
import { answersQuestion } from './reply.js';

/** Questions a socket is used for, and how long, before another with a new port takes its place. */
const questionsPerSocket = 256;
const socketLifeMs = 10_000;
const receiveBuffer = 1 << 18;

/**
 * A UDP socket connected to a server, at a port the kernel chose at random: the kernel drops what comes from elsewhere,
 * and a refusal of the server's machine is told at once.
 */
export class AskingSocket {
  readonly #socket: Socket;
  readonly #pending = new Pending(() => this.#closeWhenIdle());
  #backlog: (() => void)[] | undefined = [];
  #asked = 0;
  #retired = false;
  #closed = false;
  /** It never came to be connected: no route, or no such family here. */
  #broken = false;
  readonly #born = Date.now();

  /** @param mismatch is told of every message that answers nothing we asked */
  constructor(
    server: Endpoint,
    private readonly mismatch: () => void,
  ) {
    this.#socket = createSocket({ type: familyOf(server.address) === 4 ? 'udp4' : 'udp6' });
    this.#socket.on('message', (message) => this.#hear(message));
    this.#socket.on('error', () => this.#failAll());
    this.#socket.connect(server.port, server.address, (error?: Error) => this.#connected(error));
    this.#socket.unref();
  }

  get worn(): boolean {
    return this.#broken || this.#asked >= questionsPerSocket || Date.now() - this.#born > socketLifeMs;
  }

  /** @param query gets its id here. @param done is called once, never before this returns */
  ask(query: Buffer, questionEnd: number, patience: Patience, done: (outcome: Outcome) => void): void {
    const id = this.#pending.add(query, questionEnd, patience, done);
    this.#asked += 1;
    const send = () => this.#socket.send(query, (error) => error !== null && this.#pending.settle(id, 'unreachable'));
    if (this.#backlog === undefined) send();
    else this.#backlog.push(send);
  }

  /** Nothing new is asked; it closes when all is answered or late. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenIdle();
  }

  /** Ends at once; what is under way is never answered. */
  close(): void {
    this.#pending.forget();
    this.retire();
  }

  #connected(error: Error | undefined): void {
    if (error) this.#failAll();
    const waiting = this.#backlog ?? [];
    this.#backlog = undefined;
    this.#widen();
    for (const send of waiting) send();
  }

  #widen(): void {
    try {
      this.#socket.setRecvBufferSize(receiveBuffer);
    } catch {
      // the default has to do
    }
  }

  #hear(message: Buffer): void {
    const question = this.#pending.questionOf(message);
    const settle = (outcome: Outcome) => this.#pending.settle(message.readUInt16BE(0), outcome);
    if (question !== undefined && answersQuestion(message, question)) settle(message);
    else {
      this.mismatch();
      if (question !== undefined && answersQuestion(message, question, 'any case')) settle('recased');
    }
  }

  /** ICMP says that nobody listens there, or there is no way to it; what is not connected cannot be sent from. */
  #failAll(): void {
    if (this.#backlog !== undefined) {
      this.#broken = true;
      this.#backlog = [];
    }
    this.#pending.settleAll('unreachable');
  }

  #closeWhenIdle(): void {
    if (!this.#retired || this.#closed || this.#pending.size > 0) return;
    this.#closed = true;
    this.#socket.close();
  }
}
