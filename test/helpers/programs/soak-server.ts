import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * `soak-server.js LETTER PORT`: the backend of a soak. Answers every line with its letter, and `get BYTES` with so many of them,
 * so that each byte says who sent it.
 */
const [letter = '', port = '0'] = process.argv.slice(2);
const chunk = Buffer.alloc(65_536, letter);

/** Waits for the client wherever it does not keep up. */
function send(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const some = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= some.length;
      if (!socket.write(some) && left > 0) return void socket.once('drain', more);
    }
  };
  more();
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  const lines = createInterface({ input: socket });
  lines.on('error', () => {}); // hands on those of the socket
  lines.on('line', (line) => {
    const bytes = /^get (\d+)$/.exec(line)?.[1];
    if (bytes === undefined) socket.write(letter);
    else send(socket, Number(bytes));
  });
});
server.listen(Number(port), '::', 1024, () => console.log('listening'));
