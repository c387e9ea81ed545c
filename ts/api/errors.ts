import { type Fault, faultOf, VipdError } from '../util/errors.js';

/** A request that cannot be served because of what it asks, with the HTTP status that says so. */
export class RequestError extends VipdError {
  constructor(
    readonly status: 400 | 404 | 409,
    fault: Fault,
    options?: ErrorOptions,
  ) {
    super(fault, options);
  }
}

/** The outcome of reading what the caller sent; what it throws is the caller's mistake. @throws RequestError */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof VipdError)) throw error;
    throw new RequestError(400, error.fault, { cause: error });
  }
}

/** The same for what takes a while. */
export async function readingLater<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return reading(() => {
      throw error;
    });
  }
}

export interface Failure {
  readonly status: number;
  readonly fault: Fault;
}

/** Status and fault for whatever a handler or the HTTP server itself threw. */
export function failureOf(error: unknown, object: string): Failure {
  if (error instanceof RequestError) return { status: error.status, fault: error.fault };
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status >= 500 || error instanceof VipdError) return { status: 500, fault: faultOf(error, object) };
  return { status, fault: { code: 'REQUEST_INVALID', object, cause: (error as Error).message } };
}
