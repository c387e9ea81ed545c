import { createServer } from 'node:net';

/** `listeners.js ADDRESS FIRST COUNT`: takes connections on so many ports in a row, and keeps them open. */
const [address, first = '0', count = '1'] = process.argv.slice(2);
const opened = Array.from({ length: Number(count) }, (_, i) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  return new Promise<void>((resolve) => server.listen(Number(first) + i, address, resolve));
});
await Promise.all(opened);
console.log('listening');
