import { createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, familyOf, formatEndpoint } from '../model/address.js';
import { VipdError } from '../util/errors.js';
import { Frames, framed } from './frames.js';
import { largestAnswer } from './resolver.js';
import type { Handler, Reply, Transport } from './udp.js';

export interface TcpOptions {
  readonly endpoint: Endpoint;
  /** Connections at a time; more are closed at once. */
  readonly maxConnections: number;
  /** Questions of one connection that wait for their answer; more are not read before some have it. */
  readonly maxPipelined: number;
}

/** A connection that says nothing for so long is closed (RFC 7766 §6.2.3), milliseconds. */
const idleMs = 10_000;
/** One without a question for so long may have to make room for another, milliseconds. */
const spareMs = 1_000;
/** Longer than any question needs to be. */
const largestQuestion = 4_096;
/** Bytes of answers that a client has not read yet; with more he is not answered until he does. */
const unreadLimit = 1 << 16;

/** Questions over TCP: many on one connection, answered as soon as they can be, in any order. */
export class TcpListener {
  /** Those that asked last are the last. */
  readonly #connections = new Set<Conversation>();
  /** Connections that there was no room for. */
  refused = 0;
  /** Idle connections that had to make room for others. */
  displaced = 0;

  private constructor(
    private readonly server: Server,
    private readonly options: TcpOptions,
    private readonly handler: Handler,
  ) {
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** @throws VipdError LISTEN_FAILED */
  static async open(options: TcpOptions, handler: Handler): Promise<TcpListener> {
    const { address, port } = options.endpoint;
    // Who has asked all he wants to may say so and still gets his answers.
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const listener = new TcpListener(server, options, handler);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(failed(options.endpoint, error)));
      server.listen({ host: address, port, exclusive: true, ipv6Only: familyOf(address) === 6 }, resolve);
    });
    return listener;
  }

  /** The one it is bound to. */
  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  close(): void {
    this.server.close();
    for (const one of this.#connections) one.end();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.options.maxConnections && !this.#makeRoom()) {
      this.refused += 1;
      socket.destroy();
      return;
    }
    const heard = () => {
      this.#connections.delete(one);
      this.#connections.add(one);
    };
    const one = new Conversation(socket, { ...this.options, heard }, this.handler);
    this.#connections.add(one);
    socket.on('close', () => this.#connections.delete(one));
    one.begin();
  }

  /** Many open connections keep nobody else out, unless they are used. */
  #makeRoom(): boolean {
    const [oldest] = this.#connections;
    if (oldest === undefined || !oldest.spare) return false;
    this.displaced += 1;
    this.#connections.delete(oldest);
    oldest.end();
    return true;
  }
}

const into = Buffer.alloc(largestAnswer);

/** One connection. */
class Conversation implements Transport {
  readonly udp = false;
  readonly #frames = new Frames(largestQuestion);
  /** Whole questions that have not been looked at. */
  #unseen: Buffer[] = [];
  /** Questions whose answers come later. */
  #waiting = 0;
  #deferred = false;
  #ended = false;
  #heard = performance.now();

  constructor(
    private readonly socket: Socket,
    private readonly options: { readonly maxPipelined: number; readonly heard: () => void },
    private readonly handler: Handler,
  ) {}

  begin(): void {
    const { socket } = this;
    socket.on('error', () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('data', (piece) => {
      const questions = this.#frames.push(piece);
      if (questions.length > 0) this.#hear(questions);
      this.#go();
    });
    socket.on('drain', () => this.#go());
    socket.on('end', () => {
      this.#ended = true;
      this.#go();
    });
  }

  end(): void {
    this.socket.destroy();
  }

  /** Nobody waits for anything, and nothing was asked lately. */
  get spare(): boolean {
    return this.#waiting === 0 && performance.now() - this.#heard > spareMs;
  }

  defer(): Reply {
    this.#deferred = true;
    this.#waiting += 1;
    return (answer) => {
      this.#waiting -= 1;
      if (this.socket.destroyed) return;
      this.socket.write(framed(answer));
      this.#go();
    };
  }

  #hear(questions: readonly Buffer[]): void {
    this.#unseen = this.#unseen.concat(questions);
    this.#heard = performance.now();
    this.options.heard();
  }

  /** As far as the client reads his answers and not too many are under way; from the network no more than that is taken. */
  #go(): void {
    const { socket } = this;
    let seen = 0;
    socket.cork();
    while (seen < this.#unseen.length && !this.#full && !socket.destroyed) this.#question(this.#unseen[seen++]!);
    socket.uncork();
    if (seen > 0) this.#unseen = this.#unseen.slice(seen);
    if (this.#unseen.length > 0) socket.pause();
    else if (this.#frames.broken) socket.destroy();
    else if (this.#ended && this.#waiting === 0) socket.end();
    else socket.resume();
  }

  get #full(): boolean {
    return this.#waiting >= this.options.maxPipelined || this.socket.writableLength > unreadLimit;
  }

  #question(message: Buffer): void {
    this.#deferred = false;
    const length = this.handler(message, message.length, into, this);
    if (length > 0) this.socket.write(framed(into.subarray(0, length)));
    // What deserves no answer over UDP deserves no connection.
    else if (!this.#deferred) this.socket.destroy();
  }
}

function failed(endpoint: Endpoint, error: NodeJS.ErrnoException): VipdError {
  const object = `tcp ${formatEndpoint(endpoint)}`;
  const hint = error.code === 'EADDRINUSE' ? { hint: 'another program may listen there: ss -ltnp' } : {};
  return new VipdError({ code: 'LISTEN_FAILED', object, cause: error.message, ...hint }, { cause: error });
}
