import test from 'ava';
import fc from 'fast-check';
import {
  addressFromBytes,
  formatPrefix,
  maskedBytes,
  type Prefix,
  parsePrefix,
  prefixContains,
} from '../../../ts/model/address.js';
import { admits, sourceRules } from '../../../ts/model/source-rules.js';

// Few bits that matter, so that prefixes lie within each other and cover the addresses asked for.
const address = fc.tuple(fc.constantFrom(4, 6), fc.integer({ min: 0, max: 15 })).map(([family, low]) => {
  const bytes = new Uint8Array(16);
  if (family === 4) bytes.fill(0xff, 10, 12);
  bytes.set([family === 4 ? 192 : 0x20, low << 4], family === 4 ? 12 : 0);
  return bytes;
});
const prefix: fc.Arbitrary<Prefix> = fc.tuple(address, fc.integer({ min: 0, max: 12 })).map(([bytes, bits]) => {
  const six = bytes[0] === 0x20;
  return { address: addressFromBytes(maskedBytes(bytes, six ? bits : bits + 96)), bits };
});
const list = fc.uniqueArray(prefix, { selector: formatPrefix, maxLength: 6 });

test('by longest prefix as by the two lists: denied is denied, and only listed ones are allowed', (t) => {
  const property = fc.property(fc.option(list, { nil: undefined }), list, address, (allow, deny, bytes) => {
    const source = addressFromBytes(bytes);
    const within = (prefixes: readonly Prefix[]) => prefixes.some((one) => prefixContains(one, source));
    const expected = !within(deny) && (allow === undefined || within(allow));
    return admits(sourceRules({ ...(allow && { allow }), deny }), source) === expected;
  });
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }));
});

test('no prefix has two rules', (t) => {
  const [one] = [parsePrefix('10.0.0.0/8')];
  t.deepEqual(sourceRules({ allow: [one!], deny: [one!] }).rules, [{ prefix: one!, allowed: false }]);
});
