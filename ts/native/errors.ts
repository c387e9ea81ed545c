import { VipdError } from '../util/errors.js';

/** The properties of every Error the addon throws. */
export interface NativeFailure {
  readonly message: string;
  /** The operation, as a verb. */
  readonly op: string;
  /** Positive errno, or a number of libbpf's own from 4000. */
  readonly errno: number;
  readonly errnoName: string;
  readonly log?: string;
  readonly done?: number;
}

/** A system call that failed; `code` is the errno's name. */
export class NativeError extends VipdError {
  /** The operation, as a verb: `lookup`, `load`, `attach`. */
  readonly op: string;
  /** Positive errno, or a number of libbpf's own from 4000. */
  readonly errno: number;
  /** `EPERM`; `LIBBPF_4001` for libbpf's own. */
  readonly errnoName: string;

  constructor(object: string, failure: NativeFailure, hint?: string, options?: ErrorOptions) {
    const cause = `${failure.op} failed: ${failure.message}`;
    super({ code: failure.errnoName, object, cause, ...(hint === undefined ? {} : { hint }) }, options);
    this.op = failure.op;
    this.errno = failure.errno;
    this.errnoName = failure.errnoName;
  }
}

/** Runs a call into the addon; what it throws becomes the error that `make` makes of it. */
export function translating<T>(make: (failure: NativeFailure, cause: Error) => Error, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (isNativeFailure(error)) throw make(error, error);
    throw error;
  }
}

/** The same for a call that answers later. */
export async function translatingLater<T>(
  make: (failure: NativeFailure, cause: Error) => Error,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isNativeFailure(error)) throw make(error, error);
    throw error;
  }
}

function isNativeFailure(error: unknown): error is Error & NativeFailure {
  return error instanceof Error && 'op' in error && 'errnoName' in error && !(error instanceof VipdError);
}
