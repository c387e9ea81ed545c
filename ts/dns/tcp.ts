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
/** Longer than any question needs to be. */
const largestQuestion = 4_096;
/** A client that does not read its answers is not answered for ever. */
const unreadLimit = 1 << 20;

/** Questions over TCP: many on one connection, answered as soon as they can be, in any order. */
export class TcpListener {
  readonly #connections = new Set<Socket>();
  /** Connections that there was no room for. */
  refused = 0;

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
    const server = createServer({ noDelay: true });
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
    for (const socket of this.#connections) socket.destroy();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.options.maxConnections) {
      this.refused += 1;
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.setTimeout(idleMs, () => socket.destroy());
    new Conversation(socket, this.options.maxPipelined, this.handler).begin();
  }
}

const into = Buffer.alloc(largestAnswer);

/** One connection. */
class Conversation implements Transport {
  readonly udp = false;
  readonly #frames = new Frames(largestQuestion);
  #waiting = 0;
  #deferred = false;

  constructor(
    private readonly socket: Socket,
    private readonly maxPipelined: number,
    private readonly handler: Handler,
  ) {}

  begin(): void {
    this.socket.on('data', (piece) => {
      this.socket.cork();
      for (const message of this.#frames.push(piece)) this.#question(message);
      this.socket.uncork();
      if (this.#frames.broken || this.socket.writableLength > unreadLimit) this.socket.destroy();
    });
  }

  defer(): Reply {
    this.#deferred = true;
    this.#waiting += 1;
    if (this.#waiting >= this.maxPipelined) this.socket.pause();
    return (answer) => {
      this.#waiting -= 1;
      if (this.socket.destroyed) return;
      if (this.#waiting < this.maxPipelined) this.socket.resume();
      this.socket.write(framed(answer));
    };
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
