import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Frames, framed } from '../../../ts/dns/frames.js';
import { TcpListener } from '../../../ts/dns/tcp.js';
import type { Handler, Reply } from '../../../ts/dns/udp.js';
import { until } from '../../../ts/quickstart/until.js';

const limits = { maxConnections: 3, maxPipelined: 4 };

async function listening(t: ExecutionContext, handler: Handler): Promise<TcpListener> {
  const endpoint = { address: '127.0.0.1', port: 0 };
  const listener = await TcpListener.open({ endpoint, ...limits }, handler);
  t.teardown(() => listener.close());
  return listener;
}

async function client(t: ExecutionContext, { port }: TcpListener) {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, answers: answersOf(socket) };
}

function answersOf(socket: Socket): Buffer[] {
  const [frames, answers]: [Frames, Buffer[]] = [new Frames(0xffff), []];
  socket.on('data', (piece) => void answers.push(...frames.push(piece)));
  return answers;
}

const question = (id: number) => framed(Buffer.from([id >> 8, id & 255, ...Array.from({ length: 20 }, () => 0)]));
/** Gives each question back. */
const echo: Handler = (request, length, into) => request.copy(into, 0, 0, length);
const many = (count: number) => Buffer.concat(Array.from({ length: count }, (_, id) => question(id)));

test('a client that does not read his answers costs no memory, and gets them all when he does', async (t) => {
  let asked = 0;
  const large: Handler = (_request, _length, into) => {
    asked += 1;
    return into.fill(7, 0, 60_000) && 60_000;
  };
  const listener = await listening(t, large);
  const { socket } = await client(t, listener);
  socket.pause();
  socket.write(many(2_000));
  await until('the first answers', 5_000, async () => asked > 0);
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.true(asked < 500, `${asked} of 2,000 answered that nobody has read`);
  const frames = new Frames(0xffff);
  let read = 0;
  socket.on('data', (piece) => {
    read += frames.push(piece).length;
  });
  socket.resume();
  await until('all answers', 20_000, async () => read === 2_000);
  t.is(asked, 2_000);
});

test('who has said that he asks no more still gets what he asked for', async (t) => {
  const waiting: Reply[] = [];
  const later: Handler = (request, length, into, transport) => {
    if (request[1] === 0) return echo(request, length, into, transport);
    waiting.push(transport.defer());
    return 0;
  };
  const listener = await listening(t, later);
  const { socket, answers } = await client(t, listener);
  socket.end(many(3));
  await until('the first answer', 5_000, async () => answers.length === 1 && waiting.length === 2);
  for (const [i, reply] of waiting.entries()) reply(Buffer.from([0, i]));
  await once(socket, 'close');
  t.deepEqual(
    answers.slice(1).map((one) => [...one]),
    [
      [0, 0],
      [0, 1],
    ],
  );
  await until('the end of the connection', 5_000, async () => listener.connections === 0);
});

test('no more wait at a time than may, in whatever pieces they come', async (t) => {
  const waiting: Reply[] = [];
  let most = 0;
  const later: Handler = (_request, _length, _into, transport) => {
    waiting.push(transport.defer());
    most = Math.max(most, waiting.length);
    return 0;
  };
  const { socket, answers } = await client(t, await listening(t, later));
  socket.write(many(50));
  await until('all answers', 10_000, async () => {
    waiting.splice(0).forEach((reply) => void reply(Buffer.from([1])));
    return answers.length === 50;
  });
  t.is(most, limits.maxPipelined);
});

test('connections that say nothing make room for others, those in use do not', async (t) => {
  const listener = await listening(t, echo);
  const silent = await Promise.all([1, 2, 3].map(() => client(t, listener)));
  await until('three', 5_000, async () => listener.connections === 3);
  const early = await client(t, listener);
  await once(early.socket, 'end');
  t.is(listener.refused, 1, 'they have only just come');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  silent[0]!.socket.write(question(1));
  await until('an answer', 5_000, async () => silent[0]!.answers.length === 1);
  const next = await client(t, listener);
  next.socket.write(question(7));
  await until('its answer', 5_000, async () => next.answers.length === 1);
  t.like(listener, { connections: 3, displaced: 1, refused: 1 });
  t.false(silent[0]!.socket.readableEnded, 'the one that has asked stays');
});
