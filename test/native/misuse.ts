import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Addon } from '../../ts/native/binding.js';
import { fixtureBytes, key, u32, value } from './objects.js';

// The addon called as TypeScript never calls it: each case must end in an exception or an answer, never in a crash.
// The tests run them against the ordinary build and once more under AddressSanitizer.

export interface Misuse {
  readonly title: string;
  run(addon: Addon): void | Promise<void>;
}

const packet = Buffer.alloc(64);

/** Values no argument is meant to take; no number among them is an interface. */
const hostile: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  0.5,
  Number.NaN,
  2 ** 32,
  '',
  'a\0b',
  'x'.repeat(5000),
  Symbol('s'),
  10n,
  {},
  [],
  [Symbol('s')],
  Buffer.alloc(0),
  Buffer.alloc(5000),
  new Uint16Array(4),
  new DataView(new ArrayBuffer(8)),
  detached(),
  () => {},
];

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

function open(addon: Addon) {
  return new addon.Object(fixtureBytes('probe'), 'probe');
}

function loaded(addon: Addon) {
  const object = open(addon);
  object.load();
  return object;
}

/** Calls a function whose arguments the compiler would refuse. */
function call(target: object, method: string, args: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, method), target, args);
}

/** Calls each method with each hostile value at each place, the others valid, and with too few arguments. */
function sweep(target: object, methods: Readonly<Record<string, readonly unknown[]>>): void {
  for (const [method, valid] of Object.entries(methods)) {
    for (const position of valid.keys()) {
      assert.throws(
        () => call(target, method, valid.slice(0, position)),
        Error,
        `${method} with ${position} arguments`,
      );
      for (const bad of hostile) {
        try {
          call(target, method, valid.with(position, bad));
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }
    }
  }
}

export const misuses: readonly Misuse[] = [
  {
    title: 'ordinary use',
    run: (addon) => {
      const object = loaded(addon);
      for (const name of ['table', 'counters', 'slots']) {
        const map = object.map(name);
        const { keySize, valueStride } = map.info();
        const [keys, values] = [Buffer.alloc(keySize), Buffer.alloc(valueStride, 1)];
        map.set(keys, values, 0);
        map.setBatch(keys, values, 1);
        assert.deepEqual(map.get(keys), values);
        assert.equal(map.dump().count, name === 'table' ? 1 : map.info().maxEntries);
      }
      const table = object.map('table');
      table.deleteBatch(Buffer.concat([key(0), key(9)]), 2);
      assert.equal(table.delete(key(0)), false);
      assert.deepEqual(object.program('probe_xdp').testRun(packet, undefined, 2, 64).data, packet);
      const socket = new addon.Netlink(0);
      assert.ok(socket.request(18, 0x300, Buffer.alloc(16)).length > 0);
      assert.throws(() => socket.request(18, 0, Buffer.alloc(16)), { op: 'request' });
      assert.equal(addon.kernelFunctions(['no_such_function'])[0], false);
    },
  },
  {
    title: 'wrong arguments of an object',
    run: (addon) => {
      const map = loaded(addon).map('table');
      sweep(open(addon), {
        setRodata: [Buffer.alloc(8)],
        resize: ['table', 100],
        reuse: ['table', map],
        autoload: ['probe_tc', true],
        map: ['table'],
        program: ['probe_tc'],
      });
      sweep(loaded(addon), {
        map: ['table'],
        program: ['probe_tc'],
        resize: ['table', 5],
        autoload: ['probe_tc', true],
      });
    },
  },
  {
    title: 'wrong arguments of maps',
    run: (addon) => {
      const object = loaded(addon);
      const methods = {
        get: [key(1)],
        set: [key(1), value(1), 0],
        delete: [key(1)],
        setBatch: [key(1), value(1), 1],
        deleteBatch: [key(1), 1],
        pin: ['/sys/fs/bpf'],
      };
      for (const name of ['table', 'slots', 'counters', 'prefixes', 'stack', 'events', '.rodata']) {
        sweep(object.map(name), methods);
      }
    },
  },
  {
    title: 'lengths one off, counts that do not fit and counts that overflow',
    run: (addon) => {
      const map = loaded(addon).map('table');
      const per = loaded(addon).map('counters');
      const bad = { errnoName: 'EINVAL' };
      assert.throws(() => map.get(Buffer.alloc(7)), bad);
      assert.throws(() => map.get(Buffer.alloc(9)), bad);
      assert.throws(() => map.set(key(1), Buffer.alloc(15), 0), bad);
      assert.throws(() => map.setBatch(key(1), value(1), 2), bad);
      assert.throws(() => map.setBatch(key(1), value(1), 0), bad);
      assert.throws(() => map.setBatch(key(1), value(1), 2 ** 32 - 1), bad);
      assert.throws(() => map.deleteBatch(key(1), 2 ** 29), bad);
      assert.throws(() => per.set(u32(0), u32(1), 0), bad);
      map.setBatch(Buffer.alloc(0), Buffer.alloc(0), 0);
    },
  },
  {
    title: 'wrong arguments of programs and links',
    run: (addon) => {
      const object = loaded(addon);
      const program = object.program('probe_xdp');
      const many = [packet, 64, Buffer.alloc(64), 64, Buffer.alloc(12)];
      sweep(program, { testRun: [packet, undefined, 1, 64], testRunMany: many, pin: ['/sys/fs/bpf'] });
      sweep(addon.Link, {
        attachCgroup: [program, '/nonexistent', 10],
        attachInterface: [program, 2 ** 30, 37, 0],
        openPinned: ['/nonexistent'],
      });
      assert.throws(() => call(program, 'testRun', [packet, Buffer.alloc(8000), 1, 64]), { op: 'test run' });
      assert.throws(() => program.testRun(Buffer.alloc(0), undefined, 1, 0), { op: 'test run' });
      assert.throws(() => program.testRun(packet, undefined, 1, 64, '/nonexistent'), {
        op: 'enter',
        errnoName: 'ENOENT',
      });
      assert.throws(() => program.testRun(packet, undefined, 1, 64, '/dev/null'), { op: 'enter', errnoName: 'EINVAL' });
      program.testRun(packet, undefined, 1, 64, '/proc/self/ns/net');
      program.testRun(packet, undefined, 1, 64);
    },
  },
  {
    title: 'wrong arguments of ring buffers, sockets and functions',
    run: (addon) => {
      const program = loaded(addon).program('probe_tc');
      const socket = new addon.Netlink(0);
      sweep(socket, { request: [2 ** 31, 0, Buffer.alloc(16)], listen: [2 ** 31, () => {}] });
      socket.close();
      for (const path of ['/nonexistent', '/proc', '/dev/null', 'a\0b']) {
        assert.throws(() => new addon.Netlink(0, path), { op: /open|enter/ });
      }
      sweep(addon, {
        attachClsact: [program, 2 ** 30, false, 1, 1],
        detachClsact: [2 ** 30, false, 1, 1],
        removeClsact: [2 ** 30],
        attachedToInterface: [2 ** 30, 46],
        attachedToCgroup: ['/nonexistent', 10],
        programName: [2 ** 31],
        probeProgramType: [6],
        probeMapType: [1],
        probeHelper: [6, 1],
        kernelFunctions: [['nothing']],
        kernelBtf: [2 ** 31],
        notify: ['/nonexistent', 'x'],
        mountBpffs: ['/nonexistent/directory'],
      });
      for (const bad of hostile) {
        assert.throws(() => Reflect.construct(addon.RingBuffer, [bad, () => {}]));
        assert.throws(() => Reflect.construct(addon.Object, [bad, 'x']));
        assert.throws(() => Reflect.construct(addon.Object, [fixtureBytes('probe'), bad]).load(1, 2, 3).nothing);
      }
    },
  },
  {
    title: 'handles of another kind, imitations, and methods on what they do not belong to',
    run: (addon) => {
      const object = loaded(addon);
      const map = object.map('table');
      const program = object.program('probe_tc');
      const imitations = [program, Object.create(map), new Proxy(map, {}), { ...map }, object];
      for (const imitation of imitations) {
        assert.throws(() => call(open(addon), 'reuse', ['table', imitation]), { errnoName: 'EINVAL' });
        assert.throws(() => Reflect.construct(addon.RingBuffer, [imitation, () => {}]), { errnoName: 'EINVAL' });
      }
      assert.throws(() => Reflect.apply(map.get, program, [key(1)]), TypeError);
      assert.throws(() => Reflect.apply(map.get, {}, [key(1)]), TypeError);
      assert.throws(() => Reflect.apply(map.get, Object.setPrototypeOf(program, map), [key(1)]), TypeError);
      for (const name of ['Map', 'Program', 'Link'] as const) {
        assert.throws(() => Reflect.construct(addon[name] as never, [3]), TypeError);
      }
      map.set(key(1), value(1), 0);
    },
  },
  {
    title: 'everything after close',
    run: (addon) => {
      const object = loaded(addon);
      const [map, program] = [object.map('table'), object.program('probe_tc')];
      const socket = new addon.Netlink(0);
      for (const handle of [object, map, program, socket]) {
        handle.close();
        handle.close();
      }
      const closed = { errnoName: 'EBADF' };
      assert.throws(() => object.map('table'), closed);
      assert.throws(() => object.btf(), closed);
      assert.throws(() => object.load(), closed);
      assert.throws(() => map.get(key(1)), closed);
      assert.throws(() => map.setBatch(key(1), value(1), 1), closed);
      assert.throws(() => map.dump(), closed);
      assert.throws(() => open(addon).reuse('table', map), closed);
      assert.throws(() => program.testRun(packet, undefined, 1, 64), closed);
      assert.throws(() => program.info(), closed);
      assert.throws(() => addon.Link.attachInterface(program, 2 ** 30, 37, 0), closed);
      assert.throws(() => new addon.RingBuffer(map, () => {}), closed);
      assert.throws(() => socket.request(18, 0x300, Buffer.alloc(16)), closed);
      assert.throws(() => socket.listen(1, () => {}), closed);
    },
  },
  {
    title: 'methods out of order',
    run: (addon) => {
      const object = open(addon);
      assert.throws(() => object.map('table'), { errnoName: 'EBUSY' });
      assert.throws(() => object.program('probe_tc'), { errnoName: 'EBUSY' });
      object.load();
      assert.throws(() => object.load(), { errnoName: 'EBUSY' });
      assert.throws(() => object.setRodata(Buffer.alloc(8)), { errnoName: 'EBUSY' });
      const refused = new addon.Object(fixtureBytes('refused'), 'refused');
      assert.throws(() => refused.load(), { errnoName: 'EACCES' });
      assert.throws(() => refused.load(), { errnoName: 'EBADF' });
      refused.close();
    },
  },
  {
    title: 'garbage for an object',
    run: (addon) => {
      const bytes = fixtureBytes('probe');
      for (let length = 0; length < bytes.length; length += 61) attempt(addon, bytes.subarray(0, length));
      for (let at = 0; at < 64; at++) attempt(addon, bytes.with(at, bytes[at]! ^ 0xff)); // the ELF header
      attempt(addon, Buffer.alloc(100_000, 0x7f));
    },
  },
  {
    title: 'requests aside: what else is asked meanwhile, and closing before the answer',
    run: async (addon) => {
      const socket = new addon.Netlink(0, '/proc/self/ns/net');
      for (const bad of hostile) {
        try {
          await call(socket, 'requestAside', [18, 0x300, bad]);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }
      const answer = socket.requestAside(18, 0x300, Buffer.alloc(16));
      const busy = { errnoName: 'EBUSY' };
      assert.throws(() => socket.requestAside(18, 0x300, Buffer.alloc(16)), busy);
      assert.throws(() => socket.request(18, 0x300, Buffer.alloc(16)), busy);
      assert.throws(() => socket.listen(1, () => {}), busy);
      assert.ok((await answer).length > 0);
      assert.ok(socket.request(18, 0x300, Buffer.alloc(16)).length > 0);
      await assert.rejects(socket.requestAside(18, 0, Buffer.alloc(16)), { op: 'request' });
      const last = socket.requestAside(18, 0x300, Buffer.alloc(16));
      socket.close();
      assert.ok((await last).length > 0);
      assert.throws(() => socket.requestAside(18, 0x300, Buffer.alloc(16)), { errnoName: 'EBADF' });
      void new addon.Netlink(0).requestAside(18, 0x300, Buffer.alloc(16));
      globalThis.gc?.();
    },
  },
  {
    title: 'datagram sockets: wrong arguments, memory taken away, and closing in the middle of a batch',
    run: async (addon) => {
      for (const threaded of [false, true]) await misuseDatagrams(addon, threaded);
    },
  },
  {
    title: 'listeners that close what calls them, and handles left to the collector',
    run: async (addon) => {
      const object = loaded(addon);
      let calls = 0;
      const ring = new addon.RingBuffer(object.map('events'), () => {
        calls++;
        ring.close();
        ring.close();
      });
      object.program('probe_xdp').testRun(packet, undefined, 1, 64);
      while (calls === 0) await turn();
      const socket = new addon.Netlink(0);
      socket.listen(1, () => {});
      assert.throws(() => socket.listen(1, () => {}), { errnoName: 'EBUSY' });
      assert.throws(() => socket.request(18, 0x300, Buffer.alloc(16)), { errnoName: 'EBUSY' });
      socket.close();
      for (let i = 0; i < 20; i++) loaded(addon).map('table');
      globalThis.gc?.();
      await turn();
    },
  },
];

async function misuseDatagrams(addon: Addon, threaded: boolean): Promise<void> {
  const local = Uint8Array.of(127, 0, 0, 1);
  const valid: readonly unknown[] = [local, 0, true, 65_536, threaded, () => {}];
  for (const position of valid.keys()) {
    for (const bad of hostile) {
      try {
        Reflect.construct(addon.Datagram, valid.with(position, bad)).close();
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
  }
  let batches = 0;
  const socket = new addon.Datagram(local, 0, true, 65_536, threaded, (count) => {
    batches += count;
    new Uint32Array(socket.memory.outLengths.buffer, socket.memory.outLengths.byteOffset, 64).fill(0xffff_ffff);
    if (batches > 1) socket.close();
  });
  sweep(socket, { send: [packet, new Uint8Array(48)] });
  const peer = new Uint8Array(48);
  new Uint16Array(peer.buffer)[0] = 2;
  new DataView(peer.buffer).setUint16(2, socket.port());
  peer.set(local, 4);
  assert.ok(socket.send(packet, peer));
  while (batches < 2) await turn(); // its answer to itself is the second
  assert.equal(socket.send(packet, peer), false);
  assert.throws(() => socket.port(), { errnoName: 'EBADF' });
  socket.close();
  const robbed = new addon.Datagram(local, 0, true, 65_536, threaded, () => {});
  structuredClone(0, { transfer: [robbed.memory.in.buffer as ArrayBuffer] });
  new DataView(peer.buffer).setUint16(2, robbed.port());
  robbed.send(packet, peer);
  for (let i = 0; i < 10; i++) await turn();
  robbed.close();
}

function attempt(addon: Addon, bytes: Uint8Array): void {
  try {
    new addon.Object(bytes, 'garbage').close();
  } catch (error) {
    assert.ok(error instanceof Error);
  }
}
