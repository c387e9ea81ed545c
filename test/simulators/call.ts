import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendText } from './http.js';

/** Who may ask: the value of the Authorization header, and what it sees. */
export interface Guard {
  /** 401 unless the header is this. */
  readonly authorization?: string;
  /** 403 for everybody: known, and without the right to ask. */
  readonly forbidden?: boolean;
}

const PROTOBUF = 'application/x-protobuf';
export type Encoding = 'json' | 'protobuf';

export interface OperatorCall {
  readonly type: string;
  /** Of the answer. */
  readonly encoding: Encoding;
}

/**
 * The call in a request to `/api/v1`, or undefined and an error answer as Mesos gives it: 405, 401, 415, 400, 406.
 * @param decode the type of a call in protobuf
 */
export function readCall(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  guard: Guard,
  decode: (body: Buffer) => string,
): OperatorCall | undefined {
  const refuse = (status: number, text: string, headers?: Record<string, string>): undefined => {
    sendText(response, status, text, headers);
    return undefined;
  };
  if (request.url !== '/api/v1') return refuse(404, 'Not Found');
  if (request.method !== 'POST') return refuse(405, "Expecting 'POST'", { allow: 'POST' });
  if (guard.authorization !== undefined && request.headers.authorization !== guard.authorization) {
    return refuse(401, 'Unauthorized', { 'www-authenticate': 'Basic realm="mesos-master-readonly"' });
  }
  if (guard.forbidden) return refuse(403, 'Forbidden');
  const contentType = request.headers['content-type'];
  if (contentType === undefined) return refuse(400, "Expecting 'Content-Type' to be present");
  const protobuf = contentType.startsWith(PROTOBUF);
  if (!protobuf && !contentType.startsWith('application/json')) return refuse(415, 'Unsupported media type');
  const accept = request.headers.accept ?? '*/*';
  if (!/\*\/\*|application\/json|application\/x-protobuf/.test(accept)) return refuse(406, 'Not acceptable');
  const type = protobuf ? decode(body) : jsonType(body);
  if (type === undefined) return refuse(400, 'Failed to parse body into Call');
  return { type, encoding: accept.includes(PROTOBUF) ? 'protobuf' : 'json' };
}

function jsonType(body: Buffer): string | undefined {
  try {
    const { type } = JSON.parse(body.toString()) as { type?: unknown };
    return typeof type === 'string' ? type : undefined;
  } catch {
    return undefined;
  }
}
