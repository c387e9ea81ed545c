import test from 'ava';
import fc from 'fast-check';
import { attribute, numberIn, parseAttributes, parseMessages, textIn, u32Bytes } from '../../../ts/netlink/message.js';

test('attributes come back as they were put in, whatever their length', (t) => {
  const values = fc.uniqueArray(fc.tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 40 })), {
    selector: ([type]) => type,
  });
  fc.assert(
    fc.property(values, (pairs) => {
      const bytes = Buffer.concat(pairs.map(([type, value]) => attribute(type, value)));
      const parsed = parseAttributes(bytes);
      t.is(parsed.size, pairs.length);
      for (const [type, value] of pairs) t.deepEqual(Uint8Array.from(parsed.get(type) ?? []), value);
    }),
  );
});

test('whatever bytes arrive, parsing ends without an exception', (t) => {
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(anyBytes, fc.nat(30), (bytes, offset) => {
      parseAttributes(bytes, offset);
      for (const { payload } of parseMessages(bytes)) parseAttributes(payload, offset);
    }),
  );
  t.pass();
});

test('the flag for nesting is not part of an attribute type', (t) => {
  t.deepEqual([...parseAttributes(attribute(18 | 0x8000, u32Bytes(7))).keys()], [18]);
});

test('reads numbers of four bytes and texts up to their NUL', (t) => {
  const attributes = parseAttributes(
    Buffer.concat([attribute(1, u32Bytes(0x01020304)), attribute(2, Buffer.from('lo\0x')), attribute(3, Buffer.of(1))]),
  );
  t.is(numberIn(attributes, 1), 0x01020304);
  t.is(textIn(attributes, 2), 'lo');
  t.is(numberIn(attributes, 3), undefined);
  t.is(textIn(attributes, 4), undefined);
});
