import test from 'ava';
import { Btf, checkEnums } from '../../../ts/libbpf/btf.js';
import { VipdError } from '../../../ts/util/errors.js';
import { BtfWriter } from './btf-writer.js';

/** One type of every kind, in an order in which wrong record lengths would shift what follows. */
function everyKind(): BtfWriter {
  const w = new BtfWriter();
  const u32 = w.int('unsigned int', 4);
  w.float('double', 8);
  w.alias(
    'typedef',
    w.alias('volatile', w.alias('const', w.alias('restrict', w.alias('typeTag', u32, 'tag')))),
    'word',
  );
  w.enum('colour', { RED: 0, GREEN: 7, LAST: 0xffffffff });
  w.enum('temperature', { COLD: -5, HOT: 30 }, true);
  w.enum64('wide', { BIG: 1n << 40n });
  w.enum64('depth', { DEEP: -(1n << 40n) }, true);
  w.forward('elsewhere');
  w.func('run', u32);
  w.declTag('note', u32);
  const inner = w.struct('inner', [{ name: 'a', type: u32 }]);
  w.union(
    'either',
    [
      { name: 'x', type: u32, at: 0 },
      { name: 'y', type: inner, at: 0 },
    ],
    4,
  );
  w.struct('outer', [
    { name: 'list', type: w.array(inner, 3) },
    { name: 'next', type: w.pointer(inner) },
  ]);
  w.section('.rodata', [{ type: w.variable('limit', u32), offset: 8, size: 4 }]);
  return w;
}

test('reads every kind of type, whatever stands before it', (t) => {
  for (const littleEndian of [true, false]) {
    const btf = Btf.parse(everyKind().bytes(littleEndian));
    t.is(btf.littleEndian, littleEndian);
    const outer = btf.type(btf.struct('outer'));
    t.is(outer.kind, 'struct');
    t.is(btf.sizeOf(btf.struct('outer')), 20);
    t.deepEqual(outer.kind === 'struct' ? outer.members.map((m) => [m.name, m.bitOffset]) : [], [
      ['list', 0],
      ['next', 96],
    ]);
    t.deepEqual(Object.fromEntries(btf.enums()), {
      colour: { RED: 0, GREEN: 7, LAST: 0xffffffff },
      temperature: { COLD: -5, HOT: 30 },
      wide: { BIG: 1n << 40n },
      depth: { DEEP: -(1n << 40n) },
    });
    t.deepEqual(btf.dataSection('.rodata'), [{ name: 'limit', offset: 8, size: 4, typeId: 1 }]);
    t.deepEqual(btf.dataSection('.data'), []);
  }
});

test('a typedef is seen through qualifiers and tags, and its name is kept', (t) => {
  const w = new BtfWriter();
  const short = w.int('unsigned short', 2);
  const be16 = w.alias('const', w.alias('typedef', w.alias('typedef', short, '__u16'), '__be16'));
  const btf = Btf.parse(w.bytes());
  t.is(btf.resolveId(be16), short);
  t.deepEqual(btf.typedefs(be16), ['__be16', '__u16']);
});

test('map declarations give key and value types; a ring buffer has none', (t) => {
  const w = new BtfWriter();
  const u32 = w.int('unsigned int', 4);
  const value = w.struct('vip', [{ name: 'id', type: u32 }]);
  const declare = (name: string, types: Record<string, number>) => {
    const fields = Object.entries(types).map(([field, type]) => ({ name: field, type: w.pointer(type) }));
    return { type: w.variable(name, w.struct('', fields)), offset: 0, size: 0 };
  };
  const maps = [declare('vips', { type: w.array(u32, 1), key: u32, value }), declare('events', { type: u32 })];
  w.section('.maps', maps);
  t.deepEqual(Object.fromEntries(Btf.parse(w.bytes()).mapTypes()), { vips: { key: u32, value }, events: {} });
});

test('bytes that are not BTF are refused with a sentence', (t) => {
  const cause = (bytes: Uint8Array) => t.throws(() => Btf.parse(bytes, 'lb.o'), { instanceOf: VipdError })?.message;
  const good = everyKind().bytes();
  const changed = (at: number, value: number) => Object.assign(Buffer.from(good), { [at]: value });
  t.is(cause(new Uint8Array(0)), 'lb.o: no BTF (was it compiled without -g?)');
  t.is(cause(good.subarray(0, 10)), 'lb.o: BTF header of 10 bytes, 24 wanted');
  t.is(cause(changed(0, 0)), 'lb.o: not BTF: wrong magic number');
  t.is(cause(changed(2, 9)), 'lb.o: BTF version 9 is not known');
  const odd = new BtfWriter();
  odd.unknown(30);
  t.regex(cause(odd.bytes()) ?? '', /^lb\.o: type 1 is of unknown kind 30/);
});

test('cut short at any byte or with any byte changed it is read or refused, and nothing else happens', (t) => {
  const good = everyKind().bytes();
  const refusedOrRead = (bytes: Uint8Array) => {
    try {
      return Btf.parse(bytes).count > 0;
    } catch (error) {
      return error instanceof VipdError && error.code === 'BTF_INVALID';
    }
  };
  for (let length = 0; length < good.length; length++) {
    t.throws(() => Btf.parse(good.subarray(0, length)), { instanceOf: VipdError }, `${length} bytes`);
  }
  for (let at = 0; at < good.length; at++) {
    for (const value of [0, 0x7f, 0xff]) t.true(refusedOrRead(Object.assign(Buffer.from(good), { [at]: value })));
  }
});

test('an alias of itself ends in an error, not in a loop', (t) => {
  const w = new BtfWriter();
  w.alias('const', 1);
  t.is(t.throws(() => Btf.parse(w.bytes()).resolve(1), { instanceOf: VipdError })?.code, 'BTF_INVALID');
});

test('what is missing is named', (t) => {
  const btf = Btf.parse(everyKind().bytes());
  t.is(t.throws(() => btf.struct('backend'))?.message, 'struct backend: not in the BTF of this object');
  t.throws(() => btf.sizeOf(0), { instanceOf: VipdError });
  t.throws(() => btf.type(999), { instanceOf: VipdError });
});

test('enums are compared by name and value, both ways', (t) => {
  const btf = Btf.parse(everyKind().bytes());
  const colour = { RED: 0, GREEN: 7, LAST: 0xffffffff };
  const cause = (values: Record<string, number>, name = 'colour') => checkEnums(btf, { [name]: values })?.cause;
  t.is(cause(colour), undefined);
  t.is(cause({ ...colour, GREEN: 6 }), 'GREEN is 7 in the BPF object and 6 here');
  t.is(cause({ ...colour, BLUE: 9 }), 'BLUE is not in the BPF object');
  t.is(cause({ RED: 0, LAST: 0xffffffff }), 'GREEN is only in the BPF object');
  t.is(cause(colour, 'flavour'), 'not in the BPF object');
  t.like(checkEnums(btf, { colour: {} }), { code: 'LAYOUT_MISMATCH', object: 'enum colour' });
});
