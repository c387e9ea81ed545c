import { setTimeout as sleep } from 'node:timers/promises';
import { BpfError } from '../../ts/libbpf/errors.js';
import { BpfProgram, FrameBatch } from '../../ts/libbpf/program.js';
import { RingBuffer } from '../../ts/libbpf/ringbuf.js';
import { counted, openFixture, u32 } from './objects.js';
import { kernelTest, pinPath } from './privileged.js';

const packet = Buffer.alloc(64, 0xaa);

kernelTest('runs a program on a packet', (t) => {
  const loaded = openFixture().load();
  const run = loaded.program('probe_xdp').testRun({ data: packet, repeat: 10 });
  t.is(run.retval, 2);
  t.deepEqual(run.data, packet);
  t.is(counted(loaded.map('counters').get(u32(0))!), 10);
});

kernelTest('says when the packet does not fit, is too short, or the type cannot be run', (t) => {
  const loaded = openFixture().load();
  const xdp = loaded.program('probe_xdp');
  t.throws(() => xdp.testRun({ data: packet, dataOutSize: 10 }), { instanceOf: BpfError, code: 'ENOSPC' });
  t.throws(() => xdp.testRun({ data: Buffer.alloc(1) }), { instanceOf: BpfError, code: 'EINVAL' });
  const connect = loaded.program('probe_connect4');
  t.throws(() => connect.testRun({ data: packet }), { instanceOf: BpfError, code: 'ENOTSUPP' });
});

kernelTest('describes and pins a program', (t) => {
  const path = pinPath(t);
  const program = openFixture().load().program('probe_tc');
  program.pin(path);
  const again = BpfProgram.openPinned(path);
  t.is(again.info.id, program.info.id);
  t.regex(again.info.tag, /^[0-9a-f]{16}$/);
  t.true(again.info.instructions > 0);
  program.close();
  t.throws(() => program.info, { instanceOf: BpfError, code: 'EBADF' });
});

kernelTest('delivers every event of the ring buffer, many in one call', async (t) => {
  const loaded = openFixture().load();
  const sequences: number[] = [];
  let calls = 0;
  const ring = new RingBuffer(loaded.map('events'), (batch, lengths) => {
    calls++;
    t.is(batch.length, lengths.length * 8);
    t.true(lengths.every((length) => length === 8));
    for (let at = 0; at < batch.length; at += 8) sequences.push(batch.readUInt32LE(at));
  });
  t.teardown(() => ring.close());
  loaded.map('events').close(); // the ring has a descriptor of its own
  const program = loaded.program('probe_xdp');
  loaded.close();
  for (let round = 0; round < 3; round++) {
    program.testRun({ data: packet, repeat: 1000 });
    while (sequences.length < (round + 1) * 1000) await sleep(1);
  }
  t.deepEqual(
    sequences,
    Array.from({ length: 3000 }, (_, i) => i),
  );
  t.true(calls < 300);
});

kernelTest('a ring buffer can be closed from its own listener, and twice', async (t) => {
  const loaded = openFixture().load();
  const events = loaded.map('events');
  await new Promise<void>((resolve) => {
    const ring = new RingBuffer(events, () => {
      ring.close();
      ring.close();
      resolve();
    });
    loaded.program('probe_xdp').testRun({ data: packet });
  });
  loaded.program('probe_xdp').testRun({ data: packet });
  await sleep(5);
  t.throws(() => new RingBuffer(loaded.map('slots'), () => {}), { instanceOf: BpfError, code: 'EINVAL' });
});

kernelTest('runs a program on many packets in one call', (t) => {
  const loaded = openFixture().load();
  const batch = new FrameBatch(4, 128);
  const sizes = [64, 1, 128, 60];
  sizes.forEach((size, i) => {
    batch.frames.fill(i + 1, i * batch.stride, i * batch.stride + size);
    batch.setSize(i, size);
  });
  loaded.program('probe_xdp').testRunMany(batch, 3);
  const outcomes = [0, 1, 2].map((i) => [batch.size(i), batch.verdict(i), batch.errno(i)]);
  t.deepEqual(
    [outcomes[0], outcomes[2]],
    [
      [64, 2, 0],
      [128, 2, 0],
    ],
  );
  t.is(outcomes[1]![2], 22);
  t.is(batch.size(3), 60);
  t.deepEqual(batch.results.subarray(256, 384), batch.frames.subarray(256, 384));
  t.is(counted(loaded.map('counters').get(u32(0))!), 2);
});
