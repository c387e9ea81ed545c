import { VipdError } from '../util/errors.js';
import type { ErrorBody } from './routes/fault.js';
import type { Input, Output, Route } from './routes/route.js';
import { type Routes, routes } from './routes/routes.js';
import { decodeEvents } from './stream.js';

export interface Request {
  readonly method: Route['method'];
  /** With the query, percent-encoded. */
  readonly url: string;
  /** JSON text. */
  readonly body?: string;
}

export interface Response {
  readonly status: number;
  /** UTF-8 text in arbitrary pieces; ending the iteration early ends the request. */
  readonly body: AsyncIterable<string>;
}

/** Carries one request; rejects with a VipdError when there is no answer. */
export type Transport = (request: Request) => Promise<Response>;

/** Calls the API of a daemon; every method rejects with a VipdError carrying the daemon's fault. */
export type Client = {
  readonly [K in keyof Routes]: (
    ...input: unknown extends Input<Routes[K]> ? [] : [Input<Routes[K]>]
  ) => Promise<Output<Routes[K]>>;
};

export function createClient(transport: Transport): Client {
  const calls = Object.entries<Route>(routes).map(([id, route]) => {
    return [id, (input: Record<string, unknown> = {}) => call(transport, route, input)];
  });
  return Object.fromEntries(calls) as Client;
}

async function call(transport: Transport, route: Route, input: Record<string, unknown>): Promise<unknown> {
  const response = await transport(requestFor(route, input));
  if (response.status >= 400) throw await failure(response, route);
  if (route.produces === 'stream') return decodeEvents(response.body);
  const text = await textOf(response);
  return route.produces === 'text' ? text : JSON.parse(text);
}

/** The request of a route: parameters into the path, query keys behind it, the body as JSON. */
export function requestFor(route: Route, input: Readonly<Record<string, unknown>>): Request {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const query = new URLSearchParams();
  for (const name of Object.keys(route.query?.properties ?? {})) {
    if (input[name] !== undefined) query.set(name, String(input[name]));
  }
  const url = query.size > 0 ? `${path}?${query}` : path;
  return { method: route.method, url, ...(route.body ? { body: JSON.stringify(input.body) } : {}) };
}

async function failure(response: Response, route: Route): Promise<VipdError> {
  const text = await textOf(response);
  try {
    return new VipdError((JSON.parse(text) as ErrorBody).error);
  } catch {
    const cause = `answered ${response.status} without saying why`;
    return new VipdError({ code: 'ANSWER_INVALID', object: `${route.method} ${route.path}`, cause });
  }
}

async function textOf(response: Response): Promise<string> {
  let text = '';
  for await (const piece of response.body) text += piece;
  return text;
}
