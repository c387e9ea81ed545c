import { createSocket, type Socket } from 'node:dgram';
import { type Endpoint, familyOf } from '../model/address.js';
import { randomWord } from './message.js';
import { answersQuestion } from './reply.js';

/** How a question to one server ended: the bytes of its answer, or why there is none. `recased`: the letters differ in case. */
export type Outcome = Buffer | 'timeout' | 'unreachable' | 'recased';

/** How long an answer is waited for, milliseconds: after that `late` says how much longer, 0 for no longer. */
export interface Patience {
  readonly waitMs: number;
  readonly late: () => number;
}

interface Pending {
  readonly query: Buffer;
  readonly questionEnd: number;
  readonly done: (outcome: Outcome) => void;
  timer: NodeJS.Timeout;
}

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
  readonly #pending = new Map<number, Pending>();
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
  ask(query: Buffer, questionEnd: number, { waitMs, late }: Patience, done: (outcome: Outcome) => void): void {
    let id = randomWord();
    while (this.#pending.has(id)) id = randomWord();
    query.writeUInt16BE(id, 0);
    const timer = setTimeout(() => this.#wait(id, late()), waitMs);
    this.#pending.set(id, { query, questionEnd, done, timer });
    this.#asked += 1;
    const send = () => this.#socket.send(query, (error) => error !== null && this.#settle(id, 'unreachable'));
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
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
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
    const id = message.length < 2 ? -1 : message.readUInt16BE(0);
    const pending = this.#pending.get(id);
    const question = pending?.query.subarray(0, pending.questionEnd);
    if (question !== undefined && answersQuestion(message, question)) this.#settle(id, message);
    else {
      this.mismatch();
      if (question !== undefined && answersQuestion(message, question, 'any case')) this.#settle(id, 'recased');
    }
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
    this.#closeWhenIdle();
  }

  /** ICMP says that nobody listens there, or there is no way to it; what is not connected cannot be sent from. */
  #failAll(): void {
    if (this.#backlog !== undefined) {
      this.#broken = true;
      this.#backlog = [];
    }
    for (const id of [...this.#pending.keys()]) this.#settle(id, 'unreachable');
  }

  #closeWhenIdle(): void {
    if (!this.#retired || this.#closed || this.#pending.size > 0) return;
    this.#closed = true;
    this.#socket.close();
  }
}
