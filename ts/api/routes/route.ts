import type { Static, TObject, TSchema } from '../../model/typebox.js';

/** What a route answers with: one JSON value, plain text, or server-sent events of JSON values until either side ends it. */
export type Produces = 'json' | 'text' | 'stream';

/** One definition from which the server, its validation, the client and the OpenAPI document are made. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With `:name` for every key of `params`. */
  readonly path: string;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: TSchema;
  readonly produces: Produces;
  /** Its answer has an ETag, and need not be sent to who has it. */
  readonly tagged?: boolean;
  /** Of the whole answer, or of one event of a stream. */
  readonly response: TSchema;
}

/** Keeps the literal types of a definition, so that everything made from it is typed. */
export function defineRoute<const R extends Route>(route: R): R {
  return route;
}

/** Deeply read-only, so that the model's immutable values are accepted as answers. */
export type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

type ObjectPart<R, K extends 'params' | 'query'> = R extends { readonly [_ in K]: infer S extends TSchema }
  ? Frozen<Static<S>>
  : unknown;
type BodyPart<R> = R extends { readonly body: infer S extends TSchema }
  ? { readonly body: Frozen<Static<S>> }
  : unknown;

/** Arguments of a route: its parameters and query keys side by side, and `body`. */
export type Input<R extends Route> = ObjectPart<R, 'params'> & ObjectPart<R, 'query'> & BodyPart<R>;

export type Output<R extends Route> = R['produces'] extends 'stream'
  ? AsyncIterable<Frozen<Static<R['response']>>>
  : Frozen<Static<R['response']>>;

/** The signal ends when the caller is gone. */
export type Handler<R extends Route> = (input: Input<R>, signal: AbortSignal) => Promise<Output<R>>;
