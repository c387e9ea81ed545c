import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** What the server says to one line or datagram: who it is, what it heard, and from whom. */
export interface Echo {
  readonly name: string;
  readonly text: string;
  readonly peer: string;
}

/** `echo-server.js NAME PORT`: answers every line over TCP and every datagram over UDP, IPv4 and IPv6. */
const [name = '', port = '0'] = process.argv.slice(2);

function answer(text: string, peer = ''): string {
  return JSON.stringify({ name, text, peer: peer.replace(/^::ffff:/, '') } satisfies Echo);
}

const tcp = createServer((socket) => {
  const { remoteAddress } = socket;
  socket.on('error', () => socket.destroy());
  const lines = createInterface({ input: socket }).on('line', (line) => {
    socket.write(`${answer(line, remoteAddress)}\n`);
  });
  lines.on('error', () => {}); // hands on those of the socket
});
const udp = createSocket('udp6', (message, from) =>
  udp.send(answer(message.toString(), from.address), from.port, from.address),
);

udp.bind(Number(port), '::', () => tcp.listen(Number(port), '::', 1024, () => console.log('listening')));
