import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Apps, type SimulatedApp } from './apps.js';
import type { Guard } from './call.js';
import { EventStream } from './event-stream.js';
import { Listener, sendJson, sendText } from './http.js';
import type { Json } from './world.js';

export interface MarathonOptions {
  /** Between two signs of life on the stream of events, milliseconds; the real one has 10 s. */
  readonly keepAliveMs?: number;
  /** What it shares with the other Marathons of its cluster. */
  readonly store?: Apps;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** What its user does for it, as Mesos would. */
export interface Hands {
  /** Called for an app that was put or deleted; its deployment lasts until the promise is settled. */
  change(id: string): void | Promise<void>;
  /** Ends tasks; their app wants so many fewer when it is scaled by that. */
  kill(ids: readonly string[], scale: boolean): void | Promise<void>;
}

/** The API of a Marathon: apps with their tasks, pods, events. What runs is for its user to say. */
export class MarathonSimulator {
  readonly listener: Listener;
  readonly store: Apps;
  readonly events = new EventStream();
  guard: Guard = {};
  /** The one that leads, when it is another: the stream is sent on to it, all else is passed on. */
  leader: MarathonSimulator | undefined;
  /** Said instead of any answer while it is set. */
  instead: ((response: ServerResponse) => unknown) | undefined;
  /** Before each answer, milliseconds. */
  slowMs = 0;
  /** For so long after an event, milliseconds, what it tells of cannot be read yet. */
  lagMs = 0;
  hands: Hands = { change: () => {}, kill: () => {} };
  #deployed = 0;
  #told = Number.NEGATIVE_INFINITY;
  #lastShown: string | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: MarathonOptions = {}) {
    this.store = options.store ?? new Apps();
    this.listener = new Listener((request, response, body) => this.#answer(request, response, body));
    this.#timer = setInterval(() => this.events.keepAlive(), options.keepAliveMs ?? 10_000);
  }

  get url(): string {
    return this.listener.url;
  }

  get apps(): Map<string, SimulatedApp> {
    return this.store.all;
  }

  get pods(): Json[] {
    return this.store.pods;
  }

  put(app: Json & { id: string }): SimulatedApp {
    const next = this.store.put(app);
    this.tell('api_post_event', { uri: `/v2/apps${app.id}`, appDefinition: app });
    return next;
  }

  tell(eventType: string, more: Json = {}): void {
    this.#told = performance.now();
    this.events.tell(eventType, more);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.listener.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    if (this.slowMs > 0) await sleep(this.slowMs);
    if (this.instead) return this.instead(response);
    if (this.guard.authorization !== undefined && request.headers.authorization !== this.guard.authorization) {
      return sendText(response, 401, 'Unauthorized', { 'www-authenticate': 'Basic realm="Marathon"' });
    }
    if (this.leader) return sentOn(this.leader.url, request, response, body);
    if (pathname === '/v2/events') return this.events.open(request, response, searchParams.getAll('event_type'));
    return this.#resource(response, { method: request.method ?? 'GET', path: pathname, query: searchParams, body });
  }

  #resource(response: ServerResponse, asked: Asked): unknown {
    const { method, path, query } = asked;
    if (path === '/v2/info')
      return sendJson(response, {
        name: 'marathon',
        frameworkId: 'F-0001',
        version: '1.11.24',
        leader: this.#authority,
      });
    if (path === '/v2/leader') return sendJson(response, { leader: this.#authority });
    if (path === '/v2/pods/::status') return sendJson(response, this.pods);
    if (path === '/v2/deployments') return sendJson(response, this.#deployments());
    if (path === '/v2/tasks/delete' && method === 'POST') return this.#kill(response, asked);
    if (path === '/v2/tasks') return this.#tasks(response);
    if (path === '/v2/apps' && method === 'GET') return this.#apps(response, query);
    const id = /^\/v2\/apps(\/.+)$/.exec(path)?.[1];
    return id === undefined ? sendText(response, 404, 'Not Found') : this.#app(id, asked, response);
  }

  get #authority(): string {
    return this.url.slice('http://'.length);
  }

  #apps(response: ServerResponse, query: URLSearchParams): unknown {
    const stale = performance.now() < this.#told + this.lagMs;
    if (!stale || this.#lastShown === undefined) this.#lastShown = JSON.stringify({ apps: this.store.listed(query) });
    return response.writeHead(200, { 'content-type': 'application/json' }).end(this.#lastShown);
  }

  #deployments(): readonly Json[] {
    return [...this.store.deployments].map(([app, id]) => ({ id, affectedApps: [app] }));
  }

  #tasks(response: ServerResponse): unknown {
    const tasks = [...this.apps.values()].flatMap(({ id: appId, tasks }) => tasks.map((task) => ({ appId, ...task })));
    return sendJson(response, { tasks });
  }

  #kill(response: ServerResponse, { query, body }: Asked): unknown {
    const { ids } = JSON.parse(body.toString()) as { ids: string[] };
    void this.hands.kill(ids, query.get('scale') === 'true');
    return sendJson(response, { tasks: ids.map((id) => ({ id })) });
  }

  #app(id: string, { method, query, body }: Asked, response: ServerResponse): unknown {
    const app = this.apps.get(id);
    if (method !== 'PUT' && !app) return sendJson(response, { message: `App '${id}' does not exist` }, 404);
    if (method === 'GET') return sendJson(response, { app });
    const under = this.store.deployments.get(id);
    if (under !== undefined && query.get('force') !== 'true') {
      const message = "App is locked by one or more deployments. Override with the option '?force=true'.";
      return sendJson(response, { message, deployments: [{ id: under }] }, 409);
    }
    const wanted = method === 'PUT' ? parsed(body) : { instances: 0 };
    if (wanted === undefined) return sendJson(response, { message: 'Invalid JSON' }, 400);
    const { version } = this.put({ ...wanted, id });
    return sendJson(response, { version, deploymentId: this.#deploy(id) });
  }

  #deploy(id: string): string {
    this.#deployed += 1;
    const deployment = `deployment-${this.#deployed}`;
    this.store.deployments.set(id, deployment);
    const ended = () => {
      if (this.store.deployments.get(id) === deployment) this.store.deployments.delete(id);
    };
    void Promise.resolve(this.hands.change(id)).finally(ended);
    return deployment;
  }
}

function parsed(body: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** What a standby does: the stream is redirected, everything else asked for at the leader. */
async function sentOn(
  leader: string,
  { method = 'GET', url = '/', headers }: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): Promise<unknown> {
  if (url.startsWith('/v2/events')) return response.writeHead(302, { location: leader + url }).end();
  const authorization = headers.authorization === undefined ? {} : { authorization: headers.authorization };
  const answer = await fetch(leader + url, { method, headers: authorization, ...(body.length > 0 && { body }) });
  response.writeHead(answer.status, { 'content-type': 'application/json', 'x-marathon-leader': leader });
  return response.end(await answer.text());
}
