import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import swagger from '@fastify/swagger';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
} from 'fastify';
import { Compile, type TSchema, Value } from '../model/typebox.js';
import { failureOf } from './errors.js';
import { ErrorBody } from './routes/fault.js';
import type { Route } from './routes/route.js';
import { type Handlers, routes } from './routes/routes.js';
import { encodeEvent, keepAlive } from './stream.js';

type AnyHandler = (input: object, signal: AbortSignal) => Promise<unknown>;

export interface ApiOptions {
  readonly version: string;
  /** A comment is sent this often on an idle event stream. */
  readonly keepAliveMs: number;
  /** Largest request body, bytes. */
  readonly bodyLimit: number;
}

/** The HTTP API: every route of the table with its validation, `/v1/openapi.json`, faults as `{error}`. Not listening yet. */
export async function createServer(options: ApiOptions, handlers: Handlers): Promise<FastifyInstance> {
  // Percent-encoded VIP keys and service names are longer than the router's default of 100.
  const server = fastify({
    bodyLimit: options.bodyLimit,
    routerOptions: { maxParamLength: 1_024 },
  });
  // Event streams end when the server closes; whatever else is under way gets its answer.
  const underWay = new Set<AbortController>();
  server.addHook('preClose', async () => {
    for (const request of underWay) request.abort();
  });
  server.setValidatorCompiler(validatorFor);
  server.setErrorHandler((error, request, reply) => sendFault(error, request, reply));
  server.setNotFoundHandler((request, reply) => {
    const error = { code: 'NOT_FOUND', object: `${request.method} ${request.url}`, cause: 'no such route' };
    return reply.code(404).send({ error });
  });
  await server.register(swagger, { openapi: { info: { title: 'vipd', version: options.version } } });
  for (const [id, route] of Object.entries<Route>(routes)) {
    const handler = handlers[id as keyof Handlers] as AnyHandler;
    addRoute(server, { id, route, handler, underWay, keepAliveMs: options.keepAliveMs });
  }
  server.get('/v1/openapi.json', { schema: { hide: true } }, async () => server.swagger());
  await server.ready();
  return server;
}

/** Bodies hold services, which the handlers have the model check: its faults name the key and say what to write instead. */
const validatorFor: FastifySchemaCompiler<TSchema> = (part) =>
  part.httpPart === 'body' ? (value: unknown) => ({ value }) : textValidator(part.schema);

/** Queries and parameters arrive as text. */
function textValidator(schema: TSchema) {
  const validator = Compile(schema);
  return (value: unknown) => {
    const converted = Value.Convert(schema, value);
    return validator.Check(converted) ? { value: converted } : { error: validator.Errors(converted) };
  };
}

interface Served {
  readonly id: string;
  readonly route: Route;
  readonly handler: AnyHandler;
  readonly underWay: Set<AbortController>;
  readonly keepAliveMs: number;
}

function addRoute(server: FastifyInstance, { id, route, handler, underWay, keepAliveMs }: Served): void {
  server.route({
    method: route.method,
    url: route.path,
    schema: schemaOf(id, route),
    // Answers are made from the same types the schema states; a second check per answer would only cost time.
    serializerCompiler: () => JSON.stringify,
    handler: async (request, reply) => {
      const signal = signalOf(reply, underWay);
      const answer = await handler(inputOf(route, request), signal);
      if (route.produces === 'text') return reply.type('text/plain; version=0.0.4; charset=utf-8').send(answer);
      if (route.tagged) return sendTagged(request, reply, answer);
      if (route.produces === 'json') return reply.type('application/json').send(answer);
      return sendEvents(reply, answer as AsyncIterable<unknown>, keepAliveMs);
    },
  });
}

function schemaOf(id: string, route: Route): object {
  const { params, query, body, response, summary } = route;
  return {
    operationId: id,
    summary,
    ...(params && { params }),
    ...(query && { querystring: query }),
    ...(body && { body }),
    response: { 200: response, default: ErrorBody },
  };
}

function inputOf(route: Route, request: FastifyRequest): object {
  const input = { ...(request.params as object), ...(request.query as object) };
  return route.body ? { ...input, body: request.body } : input;
}

/** Ends when the caller closes the connection before it has its whole answer, and when the server closes. */
function signalOf(reply: FastifyReply, underWay: Set<AbortController>): AbortSignal {
  const controller = new AbortController();
  underWay.add(controller);
  reply.raw.once('close', () => {
    underWay.delete(controller);
    controller.abort();
  });
  return controller.signal;
}

function sendTagged(request: FastifyRequest, reply: FastifyReply, answer: unknown): FastifyReply {
  const text = JSON.stringify(answer);
  const tag = `"${createHash('sha1').update(text).digest('base64')}"`;
  reply.header('etag', tag);
  if (request.headers['if-none-match'] === tag) return reply.code(304).send();
  return reply.type('application/json').serializer(String).send(text);
}

function sendEvents(reply: FastifyReply, values: AsyncIterable<unknown>, keepAliveMs: number): FastifyReply {
  const frames = Readable.from(framesOf(values));
  const timer = setInterval(() => reply.raw.write(keepAlive), keepAliveMs);
  reply.raw.once('close', () => clearInterval(timer));
  // Without this the caller would see the answer's head only with the first event.
  reply.raw.once('pipe', () => reply.raw.flushHeaders());
  return reply.type('text/event-stream').header('cache-control', 'no-store').send(frames);
}

async function* framesOf(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield encodeEvent(value);
}

function sendFault(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, fault } = failureOf(error, `${request.method} ${request.url}`);
  return reply.code(status).send({ error: fault });
}
