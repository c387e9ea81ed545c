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

interface Asked {
  readonly method: string;
  readonly force: boolean;
}

/** Of the range that Marathon gives out by itself, 10000–20000. */
const FIRST_SERVICE_PORT = 10_000;

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
  /** Called for an app that was put or deleted; its deployment lasts until the promise is settled. */
  onChange: (id: string) => void | Promise<void> = () => {};
  /** By app, its deployment under way; a forced one takes the place of another. */
  readonly deployments = new Map<string, string>();
  #deployed = 0;
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
    const next = this.#withPorts({ instances: 1, tasks: before?.tasks ?? [], ...before, ...app });
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
    if (id === undefined) return sendText(response, 404, 'Not Found');
    const force = searchParams.get('force') === 'true';
    return this.#app(id, { method: request.method ?? 'GET', force }, response, body);
  }

  #apps(response: ServerResponse, embed: readonly string[]): unknown {
    const apps = [...this.apps.values()].map(({ tasks, ...app }) => {
      const deployment = this.deployments.get(app.id as string);
      const deployments = deployment === undefined ? {} : { deployments: [{ id: deployment }] };
      const shown = embed.includes('apps.deployments') ? { ...app, ...deployments } : app;
      return embed.includes('apps.tasks') ? { ...shown, tasks, ipAddress: app.ipAddress ?? null } : shown;
    });
    return sendJson(response, { apps });
  }

  #app(id: string, { method, force }: Asked, response: ServerResponse, body: Buffer): unknown {
    const app = this.apps.get(id);
    if (method !== 'PUT' && !app) return sendJson(response, { message: `App '${id}' does not exist` }, 404);
    if (method === 'GET') return sendJson(response, { app });
    const under = this.deployments.get(id);
    if (under !== undefined && !force) {
      const message = "App is locked by one or more deployments. Override with the option '?force=true'.";
      return sendJson(response, { message, deployments: [{ id: under }] }, 409);
    }
    if (method === 'PUT') this.put({ ...(JSON.parse(body.toString()) as Json), id });
    else app!.instances = 0;
    return sendJson(response, { version: new Date().toISOString(), deploymentId: this.#deploy(id) });
  }

  #deploy(id: string): string {
    this.#deployed += 1;
    const deployment = `deployment-${this.#deployed}`;
    this.deployments.set(id, deployment);
    const ended = () => {
      if (this.deployments.get(id) === deployment) this.deployments.delete(id);
    };
    void Promise.resolve(this.onChange(id)).finally(ended);
    return deployment;
  }

  /** A service port is one app's alone, in the whole cluster; who leaves it to Marathon, by 0, is given a free one. */
  #withPorts(app: SimulatedApp): SimulatedApp {
    const { portDefinitions } = app as { portDefinitions?: { port?: number }[] };
    if (!Array.isArray(portDefinitions)) return app;
    const others = [...this.apps.values()].filter(({ id }) => id !== app.id);
    const used = new Set(
      others.flatMap((one) => (one.portDefinitions ?? []) as { port?: number }[]).map(({ port }) => port),
    );
    const free = (): number => {
      for (let port = FIRST_SERVICE_PORT; ; port += 1) if (!used.has(port)) return port;
    };
    const given = portDefinitions.map((one) => {
      const port = one.port || free();
      used.add(port);
      return { ...one, port };
    });
    return { ...app, portDefinitions: given };
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
