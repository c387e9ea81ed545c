import { VipdError } from '../../util/errors.js';

export interface Call {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Of silence while the answer lasts, milliseconds; default that of the client. */
  readonly silenceMs?: number;
}

/** An answer whose body is still to come. */
export interface Opened {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { dump(): Promise<void> };
}

/** The same answer, unless its status says that it is none; then the beginning of its body tells why. @throws VipdError */
export async function good(url: string, answer: Opened, principal: string): Promise<Opened> {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const text = (await bodyOf(url, answer, 4096).catch(() => Buffer.alloc(0))).toString();
  const said = text.replace(/\s+/g, ' ').trim().slice(0, 200);
  const cause = `answered ${answer.status}${said === '' ? '' : `: ${said}`}`;
  if (answer.status === 401 || answer.status === 403) {
    const hint = `give ${principal} the right to read, or name other credentials in access.secret`;
    throw new VipdError({ code: 'ACCESS_DENIED', object: url, cause: `${cause} to ${principal}`, hint });
  }
  throw new VipdError({ code: 'HTTP_STATUS', object: url, cause });
}

/** @throws VipdError ANSWER_TOO_LARGE | HTTP_UNREACHABLE */
export async function bodyOf(url: string, { body }: Opened, maxBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > maxBytes) {
      throw new VipdError({ code: 'ANSWER_TOO_LARGE', object: url, cause: `is longer than ${maxBytes} bytes` });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Whatever went wrong on the way. */
export function unreachable(object: string, error: unknown): VipdError {
  if (error instanceof VipdError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const cause = code !== undefined && !message.includes(code) ? `${code}: ${message}` : message || String(code);
  return new VipdError({ code: 'HTTP_UNREACHABLE', object, cause }, { cause: error });
}
