import test from 'ava';
import { BpfError } from '../../ts/libbpf/errors.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import { BpfObject } from '../../ts/libbpf/object.js';
import { fixtureBytes, key, openFixture, value } from './objects.js';
import { kernelTest, pinPath } from './privileged.js';

test('lists maps and programs of an object without loading it', (t) => {
  const object = openFixture();
  const table = object.maps.find((map) => map.name === 'table');
  t.like(table, { type: 1, keySize: 8, valueSize: 16, maxEntries: 1024 });
  t.true(table!.keyTypeId > 0 && table!.valueTypeId > 0);
  t.deepEqual(
    object.programs.map(({ name, section, type }) => [name, section, type]),
    [
      ['probe_xdp', 'xdp.frags', 6],
      ['probe_tc', 'tc', 3],
      ['probe_tc_next', 'tc', 3],
      ['probe_connect4', 'cgroup/connect4', 18],
    ],
  );
  t.is(Buffer.from(object.btf).readUInt16LE(0), 0xeb9f);
});

test('replaces .rodata as a whole and refuses another length', (t) => {
  const object = openFixture();
  const image = object.rodata();
  image.writeUInt32LE(1, 0);
  object.setRodata(image);
  t.deepEqual(object.rodata(), image);
  t.throws(() => object.setRodata(Buffer.alloc(3)), { instanceOf: BpfError, code: 'EINVAL' });
});

test('names what an object does not have', (t) => {
  const object = openFixture();
  const resize = t.throws(() => object.resize('nothing', 1), { instanceOf: BpfError, code: 'ENOENT' });
  t.regex(resize.message, /object probe: resize failed: has no map nothing/);
  t.throws(() => object.autoload('nothing', true), { instanceOf: BpfError, code: 'ENOENT' });
});

test('refuses bytes that are no object, with what libbpf said', (t) => {
  const random = t.throws(() => BpfObject.open(Buffer.from('not an ELF file'), 'junk'), { instanceOf: BpfError });
  t.regex(random.message, /object junk: open failed: .*not a proper ELF object/);
  t.throws(() => BpfObject.open(Buffer.alloc(0), 'empty'), { instanceOf: BpfError, code: 'EINVAL' });
});

test('refuses or survives an object cut at any length', (t) => {
  const bytes = fixtureBytes('probe');
  for (let length = 0; length < bytes.length; length += 97) {
    try {
      BpfObject.open(bytes.subarray(0, length), 'cut').close();
    } catch (error) {
      t.true(error instanceof BpfError, `cut at ${length}`);
    }
  }
});

kernelTest('loads with .rodata and a size of its own', (t) => {
  const object = openFixture();
  const image = object.rodata();
  image.writeUInt32LE(1, 0); // verdict = XDP_DROP
  object.setRodata(image);
  object.resize('table', 5000);
  const loaded = object.load();
  t.is(loaded.map('table').info.maxEntries, 5000);
  t.is(loaded.program('probe_xdp').testRun({ data: Buffer.alloc(64) }).retval, 1);
  t.throws(() => object.load(), { instanceOf: BpfError, code: 'EBUSY' });
  t.throws(() => object.resize('table', 1), { instanceOf: BpfError, code: 'EBUSY' });
});

kernelTest('hands out the same handle until it is closed, and handles that outlive the object', (t) => {
  const loaded = openFixture().load();
  const table = loaded.map('table');
  t.is(loaded.map('table'), table);
  table.close();
  const again = loaded.map('table');
  t.not(again, table);
  loaded.close();
  again.set(key(1), value(7));
  t.deepEqual(again.get(key(1)), value(7));
  t.throws(() => loaded.map('slots'), { instanceOf: BpfError, code: 'EBADF' });
});

kernelTest('leaves out programs that are not wanted', (t) => {
  const object = openFixture();
  object.autoload('probe_connect4', false);
  const loaded = object.load();
  t.throws(() => loaded.program('probe_connect4'), { instanceOf: BpfError, code: 'ENOENT' });
  t.is(loaded.program('probe_tc').info.type, 3);
});

kernelTest('uses a pinned map instead of a new one', (t) => {
  const path = pinPath(t);
  const first = openFixture().load().map('table');
  first.pin(path);
  first.set(key(80), value(3));
  const object = openFixture();
  object.reuse('table', BpfMap.openPinned(path));
  const table = object.load().map('table');
  t.is(table.info.id, first.info.id);
  t.deepEqual(table.get(key(80)), value(3));
  t.throws(() => first.pin(path), { instanceOf: BpfError, code: 'EEXIST' });
});

kernelTest('refuses to use a map of another shape', (t) => {
  const slots = openFixture().load().map('slots');
  const object = openFixture();
  t.throws(() => object.reuse('table', slots), { instanceOf: BpfError, code: 'EINVAL' });
});

kernelTest('tells what the verifier said: the end in the message, everything in the log', (t) => {
  const error = t.throws(() => openFixture('refused').load(), { instanceOf: BpfError, code: 'EACCES' });
  t.regex(error.message, /object refused: load failed: program refused: .*R1 offset is outside of the packet$/);
  t.regex(error.log ?? '', /BEGIN PROG LOAD LOG[\s\S]*processed \d+ insns[\s\S]*END PROG LOAD LOG/);
});
