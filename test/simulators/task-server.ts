import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/**
 * A simulated task: `task-server.js NAME ADDRESS:PORT/PROTOCOL…` answers every request, by HTTP or datagram, with its name.
 * `POST /status/503` has it answer with that status from then on, `?path=/ready` for that path alone. With
 * `READY_AFTER_MS` in its environment `/ready` is 503 for so long.
 */
const [name = '', ...sockets] = process.argv.slice(2);
const started = performance.now();
const statuses = new Map<string, number>();
const ANY = '*';

function answer({ method, url = '/' }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url, 'http://x');
  const order = method === 'POST' && /^\/status\/(\d{3})$/.exec(pathname);
  if (order) {
    statuses.set(searchParams.get('path') ?? ANY, Number(order[1]));
    response.end();
    return;
  }
  response.writeHead(statusOf(pathname)).end(`${name}\n`);
}

function statusOf(path: string): number {
  const ready = performance.now() - started >= Number(process.env.READY_AFTER_MS ?? 0);
  return statuses.get(path) ?? statuses.get(ANY) ?? (path === '/ready' && !ready ? 503 : 200);
}

function listen(address: string, port: number, protocol: string): Promise<void> {
  return new Promise((resolve) => {
    if (protocol === 'tcp') createServer(answer).listen(port, address, resolve);
    else {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (_, { port: to, address: at }) => socket.send(name, to, at)).bind(port, address, resolve);
    }
  });
}

await Promise.all(
  sockets.map((one) => {
    const [, address = '', port, protocol = 'tcp'] = /^(.*):(\d+)\/(\w+)$/.exec(one) ?? [];
    return listen(address, Number(port), protocol);
  }),
);
console.log(`listening on ${sockets.join(' ')}`);
if (sockets.length === 0) setInterval(() => {}, 3_600_000); // a task without ports runs too
