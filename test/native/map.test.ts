import fc from 'fast-check';
import { BpfError } from '../../ts/libbpf/errors.js';
import { BpfMap, possibleCpus } from '../../ts/libbpf/map.js';
import { BpfProgram } from '../../ts/libbpf/program.js';
import { key, openFixture, u32, value } from './objects.js';
import { kernelTest, pinPath } from './privileged.js';

/** `count` entries of `table`, from 0. */
function entries(count: number): { keys: Buffer; values: Buffer } {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return { keys: Buffer.concat(numbers.map((i) => key(i))), values: Buffer.concat(numbers.map((i) => value(i))) };
}

kernelTest('sets, gets and deletes single entries', (t) => {
  const table = openFixture().load().map('table');
  t.is(table.get(key(1)), undefined);
  table.set(key(1), value(5));
  t.deepEqual(table.get(key(1)), value(5));
  t.throws(() => table.set(key(1), value(6), 1), { instanceOf: BpfError, code: 'EEXIST' });
  t.true(table.delete(key(1)));
  t.false(table.delete(key(1)));
});

kernelTest('behaves like a Map under any sequence of operations', (t) => {
  const table = openFixture().load().map('table');
  const operation = fc.record({ set: fc.boolean(), id: fc.nat(20), packets: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const model = new Map<number, number>();
      for (const { set, id, packets } of operations) {
        if (set) {
          table.set(key(id), value(packets));
          model.set(id, packets);
        } else if (table.delete(key(id)) !== model.delete(id)) return false;
      }
      const dump = table.dump();
      table.deleteBatch(dump.keys, dump.count);
      const found = Array.from({ length: dump.count }, (_, i): [number, number] => [
        dump.keys.readUInt32LE(i * 8),
        Number(dump.values.readBigUInt64LE(i * 16)),
      ]);
      const sorted = (pairs: [number, number][]) => JSON.stringify(pairs.sort(([a], [b]) => a - b));
      return sorted(found) === sorted([...model]);
    }),
    { numRuns: 50 },
  );
  t.is(table.dump().count, 0);
});

kernelTest('writes, dumps and deletes many entries at once', (t) => {
  const object = openFixture();
  object.resize('table', 20000);
  const table = object.load().map('table');
  const { keys, values } = entries(20000);
  table.setBatch(keys, values, 20000);
  const dump = table.dump();
  t.is(dump.count, 20000);
  const ids = new Set(Array.from({ length: dump.count }, (_, i) => dump.keys.readUInt32LE(i * 8)));
  t.is(ids.size, 20000);
  table.deleteBatch(keys.subarray(0, 8 * 100), 100);
  table.deleteBatch(keys, 20000); // the first 100 are absent by now
  t.is(table.dump().count, 0);
});

kernelTest('a full map says so and how far the batch came', (t) => {
  const table = openFixture().load().map('table');
  const { keys, values } = entries(1500);
  const error = t.throws(() => table.setBatch(keys, values, 1500), { instanceOf: BpfError, code: 'E2BIG' });
  t.is(error.done, 1024);
  t.regex(error.message, /the map is full/);
});

kernelTest('a per-CPU value has a slot for each possible CPU', (t) => {
  const counters = openFixture().load().map('counters');
  t.is(counters.info.valueSize, 4);
  t.is(counters.valueStride, 8 * possibleCpus());
  const slots = Buffer.alloc(counters.valueStride);
  for (let cpu = 0; cpu < possibleCpus(); cpu++) slots.writeUInt32LE(cpu + 1, cpu * 8);
  counters.set(u32(2), slots);
  t.deepEqual(counters.get(u32(2)), slots);
  const dump = counters.dump();
  t.is(dump.count, 4);
  t.deepEqual(dump.values.subarray(2 * counters.valueStride, 3 * counters.valueStride), slots);
  t.throws(() => counters.set(u32(2), u32(1)), { instanceOf: BpfError, code: 'EINVAL' });
});

kernelTest('arrays, tries and stacks answer what they can', (t) => {
  const loaded = openFixture().load();
  t.is(loaded.map('slots').dump().count, 16);
  t.throws(() => loaded.map('slots').deleteBatch(u32(1), 1), { instanceOf: BpfError });
  const prefixes = loaded.map('prefixes');
  prefixes.setBatch(Buffer.concat([key(32, 1), key(32, 2)]), Buffer.concat([u32(1), u32(2)]), 2);
  t.is(prefixes.dump().count, 2);
  t.throws(() => loaded.map('stack').dump(), { instanceOf: BpfError });
  t.throws(() => loaded.map('events').get(Buffer.alloc(0)), { instanceOf: BpfError });
});

kernelTest('a pinned map keeps entries and layout, and is not taken for anything else', (t) => {
  const path = pinPath(t);
  const table = openFixture().load().map('table');
  table.pin(path);
  table.set(key(1), value(2));
  table.close();
  const again = BpfMap.openPinned(path);
  t.deepEqual(again.get(key(1)), value(2));
  t.is(again.info.name, 'table');
  t.is(again.btf()?.readUInt16LE(0), 0xeb9f);
  t.throws(() => BpfProgram.openPinned(path), { instanceOf: BpfError, code: 'EINVAL' });
});

kernelTest('a closed map throws by its name, and closing again is nothing', (t) => {
  const table = openFixture().load().map('table');
  table.close();
  table.close();
  t.true(table.closed);
  const uses: (() => void)[] = [
    () => table.get(key(1)),
    () => table.set(key(1), value(1)),
    () => table.delete(key(1)),
    () => table.setBatch(key(1), value(1), 1),
    () => table.deleteBatch(key(1), 1),
    () => table.dump(),
    () => table.pin('/sys/fs/bpf/never'),
  ];
  for (const use of uses) {
    const error = t.throws(use, { instanceOf: BpfError, code: 'EBADF' });
    t.regex(error.message, /^map table.*handle is closed$/);
  }
});
