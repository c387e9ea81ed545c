import { createSocket } from 'node:dgram';
import { decoded, query } from '../unit/dns/asking-ours.js';

// dns-asking-program.js SERVER NAME: asks for the name every few milliseconds, each question once. At SIGINT it writes one
// line of JSON: when each question was sent, by the clock, and its code, or nothing where none came.

const [, , server = '', name = ''] = process.argv;
const everyMs = 4;
/** Ids are not used twice within what a question may take. */
const ids = 32_768;

interface Asked {
  readonly sent: number;
  code?: string;
}

const asked: Asked[] = [];
const byId = new Map<number, Asked>();
const socket = createSocket('udp4');
socket.on('message', (message) => {
  const { id = -1, rcode } = decoded(message);
  const one = byId.get(id);
  if (one !== undefined) one.code = rcode;
});
// Where nobody listens the kernel says so; the question is lost all the same.
socket.on('error', () => {});

const timer = setInterval(() => {
  const one: Asked = { sent: Date.now() };
  const id = asked.push(one) % ids;
  byId.set(id, one);
  socket.send(query(name, { id }), 53, server);
}, everyMs);

process.once('SIGINT', () => {
  clearInterval(timer);
  // What is under way has its time.
  setTimeout(() => {
    console.log(JSON.stringify(asked));
    process.exit(0);
  }, 1_500);
});
console.log('asking');
