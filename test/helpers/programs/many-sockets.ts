import { createSocket } from 'node:dgram';
import { parseEndpoint } from '../../../ts/model/address.js';

/**
 * `many-sockets.js ADDRESS:PORT COUNT [TEXT]`: connects so many UDP sockets there, a hundred at a time, has each send the text, if
 * there is one, and closes it again without waiting for an answer.
 */
const [target = '', count = '0', text] = process.argv.slice(2);
const { address, port } = parseEndpoint(target);
const type = address.includes(':') ? 'udp6' : 'udp4';

function once(): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(type);
    const close = () => socket.close(resolve);
    socket.on('error', () => {}); // an ICMP error to what was sent
    socket.connect(port, address, () => (text === undefined ? close() : socket.send(text, close)));
  });
}

async function some(share: number): Promise<void> {
  for (let i = 0; i < share; i += 1) await once();
}

const side = 100;
await Promise.all(Array.from({ length: side }, () => some(Math.ceil(Number(count) / side))));
console.log('done');
