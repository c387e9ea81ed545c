import test from 'ava';
import fc from 'fast-check';
import { Btf } from '../../../ts/libbpf/btf.js';
import { codecFor } from '../../../ts/libbpf/codec.js';
import { VipdError } from '../../../ts/util/errors.js';
import { BtfWriter } from './btf-writer.js';

interface Key {
  address: { bytes: Uint8Array };
  port: number;
  proto: number;
}

/** `struct { struct address { u8 bytes[16] } address; __be16 port; u8 proto; }` with a byte of padding at the end. */
function keyCodec() {
  const w = new BtfWriter();
  const u8 = w.int('unsigned char', 1);
  const be16 = w.alias('typedef', w.int('unsigned short', 2), '__be16');
  const address = w.struct('address', [{ name: 'bytes', type: w.array(u8, 16) }]);
  const fields = [
    { name: 'address', type: address },
    { name: 'port', type: be16 },
    { name: 'proto', type: u8 },
  ];
  const key = w.struct('key', fields, 20);
  return codecFor<Key>(Btf.parse(w.bytes()), key, 'vips.key');
}

const key: Key = { address: { bytes: Uint8Array.from({ length: 16 }, (_, i) => i) }, port: 8080, proto: 6 };

test('network order and padding: the bytes are what the program reads', (t) => {
  const bytes = keyCodec().encode(key);
  t.is(bytes.toString('hex'), '000102030405060708090a0b0c0d0e0f1f900600');
  t.deepEqual(keyCodec().decode(bytes), key);
});

test('a value is written into a buffer at an offset, old bytes in its padding are cleared, the rest is kept', (t) => {
  const into = Buffer.alloc(24, 0xff);
  t.is(keyCodec().encode(key, into, 2), into);
  t.is(into.toString('hex'), 'ffff000102030405060708090a0b0c0d0e0f1f900600ffff');
  t.deepEqual(keyCodec().decode(new Uint8Array(into), 2), key);
});

test('misuse is named by field', (t) => {
  const codec = keyCodec();
  const cause = (value: object) => t.throws(() => codec.encode(value as Key), { instanceOf: VipdError })?.message;
  const { proto: _, ...without } = key;
  t.is(cause({ ...key, prot: 6 }), 'vips.key: no field "prot"');
  t.is(cause(without), 'vips.key.proto: missing');
  t.is(cause({ ...key, address: { bytes: new Uint8Array(4) } }), 'vips.key.address.bytes: 4 bytes given, 16 wanted');
  t.is(cause({ ...key, address: { bytes: [1] } }), 'vips.key.address.bytes: an array given, a Uint8Array wanted');
  t.is(cause({ ...key, address: 'fd00::1' }), 'vips.key.address: string given, an object wanted');
  t.is(cause({ ...key, port: 65536 }), 'vips.key.port: 65536 is not an integer from 0 to 65535');
  t.is(cause({ ...key, port: 1.5 }), 'vips.key.port: 1.5 is not an integer from 0 to 65535');
  t.is(cause({ ...key, port: -1 }), 'vips.key.port: -1 is not an integer from 0 to 65535');
  t.is(cause({ ...key, port: '80' }), 'vips.key.port: string given, a number wanted');
  t.is(cause({ ...key, proto: 6n }), 'vips.key.proto: bigint given, a number wanted');
});

test('too few bytes are refused on both sides', (t) => {
  const codec = keyCodec();
  const wanted = 'vips.key: 18 bytes behind offset 2, 20 wanted';
  t.is(t.throws(() => codec.decode(new Uint8Array(20), 2))?.message, wanted);
  t.is(t.throws(() => codec.encode(key, Buffer.alloc(20), 2))?.message, wanted);
  t.throws(() => codec.decode(new Uint8Array(40), -1), { instanceOf: VipdError });
});

test('what has no value by name is refused when the codec is made', (t) => {
  const w = new BtfWriter();
  const u32 = w.int('unsigned int', 4);
  const wide = w.int('__int128', 16);
  const bad = {
    'x.f: a union has no value by name': w.union('', [{ name: 'a', type: u32 }], 4),
    'x.f: a pointer has no value by name': w.pointer(u32),
    'x.f: a float has no value by name': w.float('float', 4),
    'x.f: an integer of 16 bytes': wide,
  };
  const structs = Object.entries(bad).map(([cause, type]) => [cause, w.struct('', [{ name: 'f', type }])] as const);
  const bits = w.struct('', [{ name: 'f', type: u32, bits: 3 }], 4);
  const btf = Btf.parse(w.bytes());
  for (const [cause, id] of [...structs, ['x.f: a bit field', bits] as const]) {
    t.like(
      t.throws(() => codecFor(btf, id, 'x')),
      { message: cause, code: 'LAYOUT_UNSUPPORTED' },
    );
  }
});

test('members of an anonymous struct belong to the one around it', (t) => {
  const w = new BtfWriter();
  const u16 = w.int('unsigned short', 2);
  const inner = w.struct('', [
    { name: 'b', type: u16 },
    { name: 'c', type: u16 },
  ]);
  const outer = w.struct('outer', [
    { name: 'a', type: u16 },
    { name: '', type: inner },
  ]);
  const codec = codecFor<object>(Btf.parse(w.bytes()), outer, 'outer');
  const value = { a: 1, b: 2, c: 3 };
  t.is(codec.encode(value).toString('hex'), '010002000300');
  t.deepEqual(codec.decode(codec.encode(value)), value);
});

test('selection tables may be given as typed arrays', (t) => {
  const w = new BtfWriter();
  const table = w.array(w.int('unsigned int', 4), 3);
  const codec = codecFor<ArrayLike<number>>(Btf.parse(w.bytes()), table, 'table');
  t.deepEqual(codec.encode(Uint32Array.of(1, 2, 3)), codec.encode([1, 2, 3]));
  t.is(t.throws(() => codec.encode([1, 2]))?.message, 'table: 2 elements given, 3 wanted');
});

/** A random C type together with values of it. */
type Shape =
  | { kind: 'int'; size: 1 | 2 | 4 | 8; signed: boolean; network: boolean }
  | { kind: 'array'; element: Shape; count: number }
  | { kind: 'struct'; fields: Shape[]; gap: number };

const shapes = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({
      kind: fc.constant('int' as const),
      size: fc.constantFrom(1, 2, 4, 8),
      signed: fc.boolean(),
      network: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('array' as const), element: tie('shape'), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({
      kind: fc.constant('struct' as const),
      fields: fc.array(tie('shape'), { minLength: 1, maxLength: 5 }),
      gap: fc.nat({ max: 7 }),
    }),
  ),
})).shape as fc.Arbitrary<Shape>;

function write(w: BtfWriter, shape: Shape): number {
  if (shape.kind === 'array') return w.array(write(w, shape.element), shape.count);
  if (shape.kind === 'int') {
    const id = w.int(`${shape.signed ? 'int' : 'uint'}${shape.size}`, shape.size, shape.signed);
    return shape.network ? w.alias('typedef', id, `__be${shape.size * 8}`) : id;
  }
  let at = 0;
  const fields = shape.fields.map((field, i) => {
    const type = write(w, field);
    const spec = { name: `f${i}`, type, at };
    at += w.sizeOf(type) + shape.gap;
    return spec;
  });
  return w.struct('', fields, at);
}

function valuesOf(shape: Shape): fc.Arbitrary<unknown> {
  if (shape.kind === 'struct') {
    return fc.record(Object.fromEntries(shape.fields.map((field, i) => [`f${i}`, valuesOf(field)])));
  }
  if (shape.kind === 'array') {
    const { element, count } = shape;
    if (element.kind === 'int' && element.size === 1) return fc.uint8Array({ minLength: count, maxLength: count });
    return fc.array(valuesOf(element), { minLength: count, maxLength: count });
  }
  const bits = shape.size * 8;
  const [min, max] = shape.signed
    ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
    : [0n, 2n ** BigInt(bits) - 1n];
  const value = fc.bigInt({ min, max });
  return shape.size === 8 ? value : value.map(Number);
}

test('any value of any layout comes back as it went in, whatever the byte order', (t) => {
  const cases = shapes.chain((shape) =>
    fc.record({ shape: fc.constant(shape), value: valuesOf(shape), little: fc.boolean() }),
  );
  fc.assert(
    fc.property(cases, ({ shape, value, little }) => {
      const w = new BtfWriter();
      const id = write(w, shape);
      const codec = codecFor<unknown>(Btf.parse(w.bytes(little)), id, 'v');
      const bytes = codec.encode(value, Buffer.alloc(codec.size, 0xff));
      t.is(codec.size, w.sizeOf(id));
      t.deepEqual(codec.decode(bytes), value);
      t.deepEqual(codec.encode(codec.decode(bytes)), bytes);
    }),
    { numRuns: 500 },
  );
});
