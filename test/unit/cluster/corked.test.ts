import { connect, createServer, type Socket } from 'node:net';
import type { MessageStream } from '@libp2p/interface';
import test from 'ava';
import { corked } from '../../../ts/cluster/gossip/corked.js';
import { until } from '../../../ts/quickstart/until.js';

test('what is written in one turn of the loop goes out at once, in order, and what is written later too', async (t) => {
  const arrived: Buffer[] = [];
  const server = createServer((end) => end.on('data', (bytes) => arrived.push(bytes)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  let together = 0;
  const { _writev: writev } = socket as Socket & Required<Pick<Socket, '_writev'>>;
  socket._writev = (chunks, done) => {
    together += 1;
    t.is(chunks.length, 3);
    writev.call(socket, chunks, done);
  };
  corked({ socket } as unknown as MessageStream);
  const text = () => Buffer.concat(arrived).toString();
  for (const part of ['a', 'b', 'c']) socket.write(part);
  await until('the first', 10_000, () => text() === 'abc');
  t.deepEqual([together, arrived.length], [1, 1]);
  socket.write('d');
  await until('the second', 10_000, () => text() === 'abcd');
  socket.write('e');
  socket.end();
  await until('the last', 10_000, () => text() === 'abcde');
});

test('what has no socket is left alone', (t) => {
  t.notThrows(() => corked({} as MessageStream));
});
