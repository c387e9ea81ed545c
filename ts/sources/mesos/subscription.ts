import { VipdError } from '../../util/errors.js';
import { good, type Opened } from '../http/answer.js';
import type { HttpClient } from '../http/client.js';
import type { Encoding } from './encoding.js';
import { redirected } from './masters.js';
import { RecordIoDecoder } from './recordio.js';
import type { MasterEvent } from './wire.js';

/** Of a whole cluster in one snapshot. */
const MAX_RECORD = 256 * 1024 * 1024;

/** Redirects on the way to the leader. */
const MAX_HOPS = 3;

/** Missed heartbeats after which a stream is given up. */
const MISSED = 3;

/** The events of the leading master, in pieces as they arrive together. */
export interface Stream {
  /** Of the leader's API. */
  readonly url: string;
  readonly events: AsyncIterable<readonly MasterEvent[]>;
}

export interface SubscribeOptions {
  readonly encoding: Encoding;
  /** Between two heartbeats until the master has said what it is, milliseconds. */
  readonly heartbeatMs: number;
}

/**
 * Subscribes at the first of these masters that leads or knows who does. @throws VipdError NO_LEADER with what the last one
 * said, ACCESS_DENIED
 */
export async function subscribe(
  http: HttpClient,
  urls: readonly string[],
  options: SubscribeOptions,
  signal: AbortSignal,
): Promise<Stream> {
  let last: unknown;
  for (const url of urls) {
    try {
      return await follow(http, `${url}/api/v1`, options, signal);
    } catch (error) {
      last = error;
      if (signal.aborted) break;
    }
  }
  throw last ?? new VipdError({ code: 'NO_LEADER', object: 'masters', cause: 'there is no master to ask' });
}

async function follow(
  http: HttpClient,
  first: string,
  options: SubscribeOptions,
  signal: AbortSignal,
): Promise<Stream> {
  const { contentType, call } = options.encoding;
  const headers = { 'content-type': contentType, accept: contentType };
  let url = first;
  for (let hop = 0; hop <= MAX_HOPS; hop += 1) {
    const silence = new Silence(MISSED * options.heartbeatMs, signal);
    try {
      const answer = await http.open(url, { method: 'POST', headers, body: call, silenceMs: 0 }, silence.signal);
      if (answer.status !== 307 && answer.status !== 302) {
        await good(url, answer, http.principal());
        return { url, events: eventsOf(url, answer, options.encoding, silence) };
      }
      await answer.body.dump();
      url = redirected(url, answer.headers.location);
    } catch (error) {
      silence.end();
      throw error;
    }
    silence.end();
  }
  throw new VipdError({ code: 'NO_LEADER', object: first, cause: `is the begin of more than ${MAX_HOPS} redirects` });
}

async function* eventsOf(
  url: string,
  { body }: Opened,
  encoding: Encoding,
  silence: Silence,
): AsyncGenerator<readonly MasterEvent[]> {
  const decoder = new RecordIoDecoder({ maxBytes: MAX_RECORD });
  try {
    for await (const piece of body) {
      silence.broken();
      const events = decoder.push(piece).map((record) => encoding.decode(record));
      const seconds = events.find(({ subscribed }) => subscribed)?.subscribed?.heartbeat_interval_seconds;
      if (seconds !== undefined && seconds > 0) silence.limit(MISSED * seconds * 1000);
      if (events.length > 0) yield events;
    }
    throw new VipdError({ code: 'STREAM_ENDED', object: url, cause: 'the master ended the stream' });
  } catch (error) {
    throw silence.over ? new VipdError({ code: 'STREAM_SILENT', object: url, cause: silence.text }) : error;
  } finally {
    silence.end();
  }
}

/** Gives a stream up when nothing has come for a while. */
class Silence {
  readonly #controller = new AbortController();
  readonly #forward = () => this.#controller.abort();
  #timer: NodeJS.Timeout | undefined;
  over = false;

  constructor(
    private ms: number,
    private readonly outer: AbortSignal,
  ) {
    outer.addEventListener('abort', this.#forward);
    this.broken();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get text(): string {
    return `nothing has come for ${this.ms / 1000} s, not even a heartbeat`;
  }

  broken(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.over = true;
      this.#controller.abort();
    }, this.ms);
  }

  limit(ms: number): void {
    this.ms = ms;
    this.broken();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.outer.removeEventListener('abort', this.#forward);
  }
}
