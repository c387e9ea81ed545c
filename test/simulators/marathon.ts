import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard } from './call.js';
import { Listener, sendJson, sendText } from './http.js';
import type { Json } from './world.js';

/** An app as its author wrote it, with what Marathon adds. */
export interface SimulatedApp extends Json {
  readonly id: string;
  instances: number;
  tasks: Json[];
}

interface Reader {
  readonly response: ServerResponse;
  readonly types: readonly string[];
}

/** Events that nobody has taken yet, until their reader is dropped. */
const MAX_UNSENT = 1024;

/** The API of a Marathon: apps with their tasks, pods, events. What runs is for its user to say. */
export class MarathonSimulator {
  readonly listener: Listener;
  readonly apps = new Map<string, SimulatedApp>();
  readonly pods: Json[] = [];
  guard: Guard = {};
  /** Where the leader is, when it is another; only `/v2/events` is sent there, all else is answered. */
  redirect: string | undefined;
  /** Said instead of any answer while it is set. */
  instead: ((response: ServerResponse) => unknown) | undefined;
  /** Called for an app that was put or deleted. */
  onChange: (id: string) => void = () => {};
  readonly #readers = new Set<Reader>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: { readonly keepAliveMs?: number } = {}) {
    this.listener = new Listener((request, response, body) => this.#answer(request, response, body));
    this.#timer = setInterval(() => this.#keepAlive(), options.keepAliveMs ?? 10_000);
  }

  get url(): string {
    return this.listener.url;
  }

  get readers(): number {
    return this.#readers.size;
  }

  put(app: Json & { id: string }): SimulatedApp {
    const before = this.apps.get(app.id);
    const next = { instances: 1, tasks: before?.tasks ?? [], ...before, ...app };
    this.apps.set(app.id, next);
    this.tell('api_post_event', { uri: `/v2/apps${app.id}`, appDefinition: app });
    return next;
  }

  /** An event; it may come before or after what it is about can be read, twice, or not at all: that is for the caller. */
  tell(eventType: string, more: Json = {}): void {
    const data = JSON.stringify({ eventType, timestamp: new Date().toISOString(), ...more });
    for (const reader of this.#readers) this.#send(reader, eventType, data);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.listener.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): unknown {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    if (this.instead) return this.instead(response);
    if (this.guard.authorization !== undefined && request.headers.authorization !== this.guard.authorization) {
      return sendText(response, 401, 'Unauthorized', { 'www-authenticate': 'Basic realm="Marathon"' });
    }
    if (pathname === '/v2/events') return this.#events(request, response, searchParams);
    if (pathname === '/v2/info')
      return sendJson(response, { name: 'marathon', frameworkId: 'F-0001', version: '1.11.24' });
    if (pathname === '/v2/pods/::status') return sendJson(response, this.pods);
    if (pathname === '/v2/apps') return this.#apps(response, searchParams.getAll('embed'));
    const id = /^\/v2\/apps(\/.+)$/.exec(pathname)?.[1];
    return id === undefined ? sendText(response, 404, 'Not Found') : this.#app(id, request.method, response, body);
  }

  #apps(response: ServerResponse, embed: readonly string[]): unknown {
    const apps = [...this.apps.values()].map(({ tasks, ...app }) => {
      return embed.includes('apps.tasks') ? { ...app, tasks, ipAddress: app.ipAddress ?? null } : app;
    });
    return sendJson(response, { apps });
  }

  #app(id: string, method: string | undefined, response: ServerResponse, body: Buffer): unknown {
    if (method === 'PUT') {
      this.put({ ...(JSON.parse(body.toString()) as Json), id });
      this.onChange(id);
      return sendJson(response, { version: new Date().toISOString(), deploymentId: `d-${id}` });
    }
    const app = this.apps.get(id);
    if (!app) return sendJson(response, { message: `App '${id}' does not exist` }, 404);
    if (method !== 'DELETE') return sendJson(response, { app });
    app.instances = 0;
    this.onChange(id);
    return sendJson(response, { version: new Date().toISOString(), deploymentId: `d-${id}` });
  }

  #events(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): unknown {
    if (this.redirect !== undefined) return response.writeHead(302, { location: this.redirect + request.url }).end();
    if (!request.headers.accept?.includes('text/event-stream')) return sendText(response, 405, 'Method Not Allowed');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const reader = { response, types: query.getAll('event_type') };
    this.#readers.add(reader);
    response.once('close', () => this.#readers.delete(reader));
    const attached = { eventType: 'event_stream_attached', remoteAddress: '127.0.0.1' };
    return response.write(`event: event_stream_attached\ndata: ${JSON.stringify(attached)}\n\n`);
  }

  #send(reader: Reader, type: string, data: string): void {
    if (reader.types.length > 0 && !reader.types.includes(type)) return;
    if (reader.response.writableLength > MAX_UNSENT * 256) reader.response.destroy();
    else reader.response.write(`event: ${type}\ndata: ${data}\n\n`);
  }

  #keepAlive(): void {
    for (const { response } of this.#readers) response.write('\r\n');
  }
}
