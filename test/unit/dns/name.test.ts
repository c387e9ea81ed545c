import test from 'ava';
import * as fc from 'fast-check';
import {
  isWithin,
  nameKey,
  nameText,
  parent,
  plainKey,
  plainNameEnd,
  tryNameKey,
  writeName,
} from '../../../ts/dns/name.js';

/** Labels of any octets; the text form must bring them back. */
const label = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  minLength: 1,
  maxLength: 63,
});
const lower = (text: string) => text.replace(/[A-Z]/g, (c) => c.toLowerCase());
const key = fc.array(label, { maxLength: 3 }).map((labels) => {
  return labels.map((one) => String.fromCharCode(one.length) + lower(one)).join('');
});

test('text and key of a name stand for each other, whatever octets it has', (t) => {
  fc.assert(fc.property(key, (one) => nameKey(nameText(one)) === one));
  t.is(nameText(nameKey('Web.Marathon.L4LB.')), 'web.marathon.l4lb');
  t.is(nameText(nameKey('a\\.b.c')), 'a\\.b.c');
  t.is(nameKey('a\\.b'), '\x03a.b');
  t.is(nameKey('\\065b'), '\x02ab');
  t.is(nameKey('.'), '');
});

test('the wire form of a key reads back, in any case of its letters', (t) => {
  const bytes = Buffer.alloc(300);
  fc.assert(
    fc.property(key, (one) => {
      const end = writeName(one, bytes, 12);
      return plainNameEnd(bytes, 12, end) === end && plainKey(bytes, 12, end) === one;
    }),
  );
  const end = writeName('\x03WeB\x02Io', bytes, 0);
  t.is(plainKey(bytes, 0, end), '\x03web\x02io');
});

test('a name that breaks a limit is refused', (t) => {
  for (const text of ['a..b', '.a', `${'x'.repeat(64)}.a`, 'ü\u0100', Array(5).fill('x'.repeat(60)).join('.')]) {
    t.is(tryNameKey(text), undefined, text);
    t.throws(() => nameKey(text), { code: 'NAME_INVALID' });
  }
  t.is(nameKey(Array(4).fill('x'.repeat(62)).join('.')).length, 252);
});

test('octets that are no plain name end nowhere', (t) => {
  const cases: [string, number][] = [
    ['', -1],
    ['\x03ab', -1],
    ['\x03abc', -1],
    ['\xc0\x0c', -1],
    ['\x40'.padEnd(70, 'x'), -1],
    [`${'\x01a'.repeat(127)}\0`, 255],
    [`${'\x01a'.repeat(128)}\0`, -1],
    ['\0', 1],
  ];
  for (const [text, end] of cases) t.is(plainNameEnd(Buffer.from(text, 'latin1'), 0, text.length), end);
});

test('a suffix counts only from label to label', (t) => {
  t.true(isWithin(nameKey('a.example'), nameKey('example')));
  t.true(isWithin(nameKey('example'), nameKey('example')));
  t.true(isWithin(nameKey('example'), ''));
  t.false(isWithin(nameKey('anexample'), nameKey('example')));
  t.false(isWithin('\x09a\x07example', nameKey('example')));
  t.is(parent(nameKey('a.b')), nameKey('b'));
});
