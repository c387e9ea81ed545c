import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { parseEndpoint } from '../../../ts/model/address.js';
import type { Echo } from './echo-server.js';

/** `one-port.js tcp|udp PORT ADDRESS:PORT…`: a socket to each from one and the same port; then asks by each, and says who answered. */
const [protocol, port, ...targets] = process.argv.slice(2);
const localPort = Number(port);

async function stream(target: string): Promise<() => Promise<Buffer>> {
  const { address: host, port } = parseEndpoint(target);
  const socket: Socket = createConnection({ host, port, localPort });
  await once(socket, 'connect');
  return async () => {
    socket.write('hello\n');
    const [answer] = await once(socket, 'data');
    return answer as Buffer;
  };
}

async function datagrams(target: string): Promise<() => Promise<Buffer>> {
  const { address, port } = parseEndpoint(target);
  const socket: Datagrams = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
  socket.bind(localPort);
  await once(socket, 'listening');
  socket.connect(port, address);
  await once(socket, 'connect');
  return async () => {
    socket.send('hello');
    const [answer] = await once(socket, 'message');
    return answer as Buffer;
  };
}

const asked: (() => Promise<Buffer>)[] = [];
for (const target of targets) asked.push(await (protocol === 'tcp' ? stream(target) : datagrams(target)));
for (const ask of asked) console.log((JSON.parse((await ask()).toString()) as Echo).name);
process.exit();
