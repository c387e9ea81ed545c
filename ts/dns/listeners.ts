import { type Endpoint, formatEndpoint } from '../model/address.js';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { TcpListener } from './tcp.js';
import { type Handler, UdpListener } from './udp.js';

export interface ListenersOptions {
  readonly endpoints: readonly Endpoint[];
  /** UDP sockets of each; the kernel spreads clients over them. With more than one each has a thread that receives and sends. */
  readonly socketsEach: number;
  readonly receiveBuffer: number;
  readonly maxConnections: number;
  readonly maxPipelined: number;
}

interface Place {
  readonly endpoint: Endpoint;
  readonly udp: UdpListener[];
  tcp: TcpListener | undefined;
  fault: Fault | undefined;
}

export interface ListenerStatus {
  readonly endpoint: string;
  readonly listening: boolean;
  readonly fault?: Fault;
}

/** What one address has been through. */
export interface ListenerCounts {
  readonly endpoint: string;
  readonly connections: number;
  readonly refusedConnections: number;
  readonly displacedConnections: number;
  readonly droppedQuestions: number;
  readonly droppedAnswers: number;
}

const retryMs = 2_000;

/** The sockets on all addresses. An address that cannot be had now is tried again until it can. */
export class Listeners {
  readonly #places: readonly Place[];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly options: ListenersOptions,
    private readonly modules: { readonly handler: Handler; readonly logger: Logger },
  ) {
    this.#places = options.endpoints.map((endpoint) => ({ endpoint, udp: [], tcp: undefined, fault: undefined }));
  }

  /** Tries them all; resolves when each has been tried, successful or not. */
  async open(): Promise<void> {
    await Promise.all(this.#places.map((place) => this.#open(place)));
    if (this.#closed || this.#places.every((place) => place.fault === undefined)) return;
    this.#timer = setTimeout(() => void this.open(), retryMs);
    this.#timer.unref();
  }

  status(): readonly ListenerStatus[] {
    return this.#places.map(({ endpoint, tcp, fault }) => ({
      endpoint: formatEndpoint(endpoint),
      listening: tcp !== undefined,
      ...(fault === undefined ? {} : { fault }),
    }));
  }

  counts(): readonly ListenerCounts[] {
    return this.#places.map(({ endpoint, udp, tcp }) => {
      const dropped = udp.map((one) => one.dropped());
      return {
        endpoint: formatEndpoint(endpoint),
        connections: tcp?.connections ?? 0,
        refusedConnections: tcp?.refused ?? 0,
        displacedConnections: tcp?.displaced ?? 0,
        droppedQuestions: dropped.reduce((sum, one) => sum + one.received, 0),
        droppedAnswers: dropped.reduce((sum, one) => sum + one.sent, 0),
      };
    });
  }

  /** Port of the first UDP socket, for those who asked for any. */
  get port(): number {
    return this.#places[0]!.udp[0]!.port;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const place of this.#places) shut(place);
  }

  async #open(place: Place): Promise<void> {
    if (place.tcp !== undefined) return;
    const { endpoint } = place;
    const { socketsEach, receiveBuffer, maxConnections, maxPipelined } = this.options;
    const { handler, logger } = this.modules;
    const how = { receiveBuffer, threaded: socketsEach > 1 };
    try {
      const first = new UdpListener({ endpoint, ...how }, handler);
      place.udp.push(first);
      const bound = { address: endpoint.address, port: first.port };
      for (let i = 1; i < socketsEach; i++) place.udp.push(new UdpListener({ endpoint: bound, ...how }, handler));
      place.tcp = await TcpListener.open({ endpoint: bound, maxConnections, maxPipelined }, handler);
      if (place.fault !== undefined) logger.info({ endpoint }, 'DNS answers here now');
      place.fault = undefined;
    } catch (error) {
      shut(place);
      const fault = faultOf(error, `DNS on ${formatEndpoint(endpoint)}`);
      if (place.fault?.cause !== fault.cause) logger.warn({ fault }, 'DNS cannot answer here, trying again');
      place.fault = fault;
    }
    if (this.#closed) shut(place);
  }
}

function shut(place: Place): void {
  for (const one of place.udp.splice(0)) one.close();
  place.tcp?.close();
  place.tcp = undefined;
}
