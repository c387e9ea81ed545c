import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request; what it throws is answered with 500. */
export type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => unknown;

/** A small HTTP server on an address of its own. */
export class Listener {
  readonly #server: Server;
  readonly #open = new Set<ServerResponse>();
  url = '';
  /** Requests so far, `METHOD /path`. */
  readonly requests: string[] = [];

  constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      this.#open.add(response);
      response.once('close', () => this.#open.delete(response));
      void this.#serve(answer, request, response);
    });
  }

  async listen(address = '127.0.0.1', port = 0): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, resolve);
    });
    const bound = this.#server.address() as AddressInfo;
    this.url = `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every answer that is under way, in the middle of whatever it was saying. */
  cut(): void {
    for (const response of this.#open) response.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      await answer(request, response, Buffer.concat(pieces));
    } catch (error) {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    }
  }
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): ServerResponse {
  return response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): ServerResponse {
  return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
