import { addressBytes, type Endpoint, familyOf, formatEndpoint } from '../model/address.js';
import { addon, type NativeDatagram } from '../native/binding.js';
import { NativeError, translating } from '../native/errors.js';

/** Sends the answer to a question whose turn is over. */
export type Reply = (answer: Uint8Array) => void;

/** The way a query came. */
export interface Transport {
  readonly udp: boolean;
  /** During the call of the handler only: keeps the way back for an answer that comes later. */
  defer(): Reply;
}

/** Answers a query at once, into `into`, and returns the answer's length; 0 when there is none or it comes later. */
export type Handler = (request: Buffer, length: number, into: Buffer, transport: Transport) => number;

export interface UdpOptions {
  readonly endpoint: Endpoint;
  /** Kernel memory for questions that wait, bytes. */
  readonly receiveBuffer: number;
  /** Whether a thread of its own receives and sends. */
  readonly threaded: boolean;
}

/** Strides of native/batch.h. */
const slots = 64;
const inStride = 4096;
const outStride = 6144;
const peerStride = 48;

/** One UDP socket, served in batches. */
export class UdpListener implements Transport {
  readonly udp = true;
  readonly #native: NativeDatagram;
  readonly #requests: readonly Buffer[];
  readonly #answers: readonly Buffer[];
  readonly #requestLengths: Uint32Array;
  readonly #answerLengths: Uint32Array;
  readonly #peers: Buffer;
  #slot = 0;

  /** @throws NativeError EADDRINUSE, EADDRNOTAVAIL, EACCES */
  constructor(
    { endpoint, receiveBuffer, threaded }: UdpOptions,
    private readonly handler: Handler,
  ) {
    const bytes = addressBytes(endpoint.address);
    const raw = familyOf(endpoint.address) === 4 ? bytes.subarray(12) : bytes;
    this.#native = about(endpoint, () => {
      const serve = (count: number) => this.#serve(count);
      return new (addon().Datagram)(raw, endpoint.port, true, receiveBuffer, threaded, serve);
    });
    const { memory } = this.#native;
    this.#requests = slices(memory.in, inStride);
    this.#answers = slices(memory.out, outStride);
    this.#requestLengths = words(memory.inLengths);
    this.#answerLengths = words(memory.outLengths);
    this.#peers = memory.peers;
  }

  /** The one it is bound to. */
  get port(): number {
    return this.#native.port();
  }

  /** Datagrams the kernel had no room for: questions, and answers. */
  dropped(): { readonly received: number; readonly sent: number } {
    return this.#native.dropped();
  }

  close(): void {
    this.#native.close();
  }

  defer(): Reply {
    const start = this.#slot * peerStride;
    const peer = Uint8Array.prototype.slice.call(this.#peers, start, start + peerStride);
    return (answer) => void this.#native.send(answer, peer);
  }

  #serve(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#slot = i;
      const length = this.#requestLengths[i]!;
      if (length > 0) this.#answerLengths[i] = this.handler(this.#requests[i]!, length, this.#answers[i]!, this);
    }
  }
}

function about<T>(endpoint: Endpoint, open: () => T): T {
  const hint = 'another program may listen there: ss -lunp';
  return translating((failure, cause) => {
    const known = failure.errnoName === 'EADDRINUSE' ? hint : undefined;
    return new NativeError(`udp ${formatEndpoint(endpoint)}`, failure, known, { cause });
  }, open);
}

function slices(memory: Buffer, stride: number): Buffer[] {
  return Array.from({ length: slots }, (_, i) => memory.subarray(i * stride, (i + 1) * stride));
}

function words(memory: Buffer): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset, slots);
}
