import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { type Handler, UdpListener } from '../../ts/dns/udp.js';

const receiveBuffer = 1 << 20;

function listen(
  t: ExecutionContext,
  address: string,
  handler: Handler,
  { port = 0, threaded = false } = {},
): UdpListener {
  const listener = new UdpListener({ endpoint: { address, port }, receiveBuffer, threaded }, handler);
  t.teardown(() => listener.close());
  return listener;
}

/** Sends all at once and resolves to what came back, once as many answers are there. */
async function exchange(address: string, port: number, sent: readonly Buffer[], answers: number): Promise<Buffer[]> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const received: Buffer[] = [];
  const complete = new Promise<void>((resolve) => {
    socket.on('message', (message) => received.push(message) === answers && resolve());
  });
  for (const one of sent) socket.send(one, port, address);
  await complete;
  socket.close();
  return received;
}

for (const [address, threaded] of [
  ['127.0.0.1', false],
  ['127.0.0.1', true],
  ['::1', false],
  ['::1', true],
] as const) {
  const how = threaded ? 'a thread' : 'the event loop';
  test(`every datagram of a burst gets its own answer, now or later, by ${how} on ${address}`, async (t) => {
    const answer: Handler = (request, length, into, transport) => {
      if (request[0] === 1) {
        const [late, reply] = [Buffer.from(request.subarray(0, length)), transport.defer()];
        setImmediate(() => reply(late));
        return 0;
      }
      return request.copy(into, 0, 0, length);
    };
    const listener = listen(t, address, answer, { threaded });
    const sent = Array.from({ length: 100 }, (_, i) => Buffer.from([i & 1, i, ...Array(i).fill(i)]));
    const received = await exchange(address, listener.port, sent, sent.length);
    const order = (a: Buffer, b: Buffer) => a[1]! - b[1]!;
    t.deepEqual(received.sort(order), sent);
    t.deepEqual(listener.dropped(), { received: 0, sent: 0 });
  });
}

test('what is longer than a question can be is not looked at', async (t) => {
  const lengths: number[] = [];
  const listener = listen(t, '127.0.0.1', (request, length, into) => {
    lengths.push(length);
    return request.copy(into, 0, 0, length);
  });
  await exchange('127.0.0.1', listener.port, [Buffer.alloc(4097), Buffer.alloc(4096), Buffer.alloc(3)], 2);
  t.deepEqual(lengths, [4096, 3]);
});

test('several sockets share an address; one that is taken otherwise is an error that says so', async (t) => {
  const first = listen(t, '127.0.0.1', () => 0);
  t.notThrows(() => listen(t, '127.0.0.1', () => 0, { port: first.port }));
  const alone = createSocket('udp4').bind(0, '127.0.0.1');
  await once(alone, 'listening');
  const { port } = alone.address();
  t.throws(() => listen(t, '127.0.0.1', () => 0, { port }), {
    code: 'EADDRINUSE',
    message: new RegExp(`udp 127.0.0.1:${port}`),
  });
  t.throws(() => listen(t, '192.0.2.1', () => 0), { code: 'EADDRNOTAVAIL' });
  alone.close();
});

test('sockets of one address with a thread each share the questions', async (t) => {
  const heard = [0, 0];
  const echo = (nth: number): Handler => {
    return (request, length, into) => {
      heard[nth]! += 1;
      return request.copy(into, 0, 0, length);
    };
  };
  const first = listen(t, '127.0.0.1', echo(0), { threaded: true });
  listen(t, '127.0.0.1', echo(1), { port: first.port, threaded: true });
  const asks = Array.from({ length: 32 }, () =>
    exchange('127.0.0.1', first.port, [Buffer.from('a'), Buffer.from('b')], 2),
  );
  t.is((await Promise.all(asks)).flat().length, 64);
  t.is(heard[0]! + heard[1]!, 64);
  t.true(heard[0]! > 0 && heard[1]! > 0, heard.join());
});

test('a socket with a thread ends at once, in the middle of its work', async (t) => {
  for (let i = 0; i < 20; i++) {
    const listener = new UdpListener(
      { endpoint: { address: '127.0.0.1', port: 0 }, receiveBuffer, threaded: true },
      (request, length, into) => request.copy(into, 0, 0, length),
    );
    const socket = createSocket('udp4');
    for (let n = 0; n < 200; n++) socket.send(Buffer.from([n]), listener.port, '127.0.0.1');
    await once(socket, 'message');
    listener.close();
    t.notThrows(() => listener.close());
    socket.close();
  }
});
