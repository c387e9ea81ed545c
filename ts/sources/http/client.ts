import { Agent, type Dispatcher, request } from 'undici';
import { type Access, type AccessFiles, principalOf, readAccess } from './access.js';
import { bodyOf, type Call, good, type Opened, unreachable } from './answer.js';
import { Tokens } from './tokens.js';

export interface HttpOptions {
  readonly files: AccessFiles;
  /** Until a connection stands, milliseconds; default 5 s. */
  readonly connectMs?: number;
  /** Until an answer begins, and of silence while it lasts, milliseconds; default 30 s. */
  readonly answerMs?: number;
}

const CONNECT_MS = 5_000;
const ANSWER_MS = 30_000;

/** HTTP with credentials, authorities and limits. Follows no redirect by itself: who may be asked is for its user to know. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #tokens = new Tokens((url, call, signal) => this.#send(url, call, signal));
  #dispatcher: { readonly ca: string | undefined; readonly agent: Agent } | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** The name we are known by there. @throws VipdError */
  principal(): string {
    return principalOf(readAccess(this.#options.files).credentials);
  }

  /** Asks, and once more with new credentials when the old are refused. @throws VipdError HTTP_UNREACHABLE | LOGIN_FAILED */
  async open(url: string, call: Call, signal: AbortSignal): Promise<Opened> {
    const first = await this.#authorized(url, call, signal);
    if (first.status !== 401 || !this.#tokens.forget()) return first;
    await first.body.dump();
    return this.#authorized(url, call, signal);
  }

  /** The whole body of a good answer. @throws VipdError HTTP_UNREACHABLE | HTTP_STATUS | ANSWER_TOO_LARGE | LOGIN_FAILED */
  async read(url: string, call: Call & { readonly maxBytes: number }, signal: AbortSignal): Promise<Buffer> {
    const opened = await this.open(url, call, signal);
    return bodyOf(place(url), await good(place(url), opened, this.principal()), call.maxBytes);
  }

  async close(): Promise<void> {
    await this.#dispatcher?.agent.destroy();
    this.#dispatcher = undefined;
  }

  async #authorized(url: string, call: Call, signal: AbortSignal): Promise<Opened> {
    const { credentials } = readAccess(this.#options.files);
    const authorization = await this.#tokens.header(credentials, signal);
    const headers = { ...call.headers, ...(authorization === undefined ? {} : { authorization }) };
    return this.#send(url, { ...call, headers }, signal);
  }

  async #send(url: string, call: Call, signal: AbortSignal): Promise<Opened> {
    const { answerMs = ANSWER_MS } = this.#options;
    const { method = 'GET', headers = {}, body, silenceMs = answerMs } = call;
    const dispatcher = this.#agent(readAccess(this.#options.files));
    const timing = { headersTimeout: answerMs, bodyTimeout: silenceMs };
    try {
      const options = { method, headers: { ...headers, 'user-agent': 'vipd' }, body: body ?? null, signal, dispatcher };
      const answer = await request(url, { ...options, ...timing });
      return { status: answer.statusCode, headers: answer.headers, body: named(place(url), answer.body) };
    } catch (error) {
      throw unreachable(place(url), error);
    }
  }

  #agent({ ca }: Access): Dispatcher {
    if (this.#dispatcher && this.#dispatcher.ca === ca) return this.#dispatcher.agent;
    void this.#dispatcher?.agent.close();
    const connect = { timeout: this.#options.connectMs ?? CONNECT_MS, ...(ca === undefined ? {} : { ca }) };
    this.#dispatcher = { ca, agent: new Agent({ connect, maxHeaderSize: 64 * 1024 }) };
    return this.#dispatcher.agent;
  }
}

/** For people, to whom a query says nothing. */
export function place(url: string): string {
  return url.replace(/\?.*/s, '');
}

/** The body with its failures named. */
function named(url: string, body: Opened['body']): Opened['body'] {
  return {
    dump: () => body.dump().catch(() => undefined),
    async *[Symbol.asyncIterator]() {
      try {
        yield* body;
      } catch (error) {
        throw unreachable(url, error);
      }
    },
  };
}
