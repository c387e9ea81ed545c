import { createServer, type Server } from 'node:http';
import type { Endpoint } from '../model/address.js';

/** Serves /metrics and nothing else on TCP, for scrapers that cannot use a unix socket. Rejects when it cannot listen. */
export function serveMetrics(endpoint: Endpoint, text: () => Promise<string>): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    text().then(
      (body) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(endpoint.port, endpoint.address, () => resolve(server));
  });
}
