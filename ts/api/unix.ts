import { request as httpRequest, type IncomingMessage } from 'node:http';
import { VipdError } from '../util/errors.js';
import type { Request, Response, Transport } from './client.js';

export const defaultSocket = '/run/vipd/vipd.sock';

/** Talks to the daemon that listens on a unix socket. Rejects with DAEMON_UNREACHABLE or SOCKET_DENIED. */
export function unixTransport(socketPath: string): Transport {
  return (request) => send(socketPath, request).catch((error: unknown) => Promise.reject(explained(error, socketPath)));
}

function send(socketPath: string, request: Request): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = request.body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = httpRequest({ socketPath, method: request.method, path: request.url, headers, agent: false });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming: IncomingMessage) => {
      incoming.setEncoding('utf8');
      resolve({ status: incoming.statusCode ?? 500, body: incoming });
    });
    outgoing.end(request.body);
  });
}

function explained(error: unknown, socketPath: string): VipdError {
  const code = (error as NodeJS.ErrnoException).code;
  const object = `socket ${socketPath}`;
  if (code === 'EACCES' || code === 'EPERM') {
    const hint = 'run it as root or as a member of the group vipd';
    return new VipdError({ code: 'SOCKET_DENIED', object, cause: 'permission denied', hint }, { cause: error });
  }
  const cause = code === 'ENOENT' || code === 'ECONNREFUSED' ? 'no daemon listens there' : (error as Error).message;
  const hint = 'start it with `systemctl start vipd`, or name its socket with --socket';
  return new VipdError({ code: 'DAEMON_UNREACHABLE', object, cause, hint }, { cause: error });
}
