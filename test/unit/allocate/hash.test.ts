import test from 'ava';
import { phash2, sha1Number } from '../../../ts/allocate/hash.js';
import { preferredAddress } from '../../../ts/allocate/preferred.js';
import { addressOf, parseRange } from '../../../ts/allocate/range.js';

const shipped = parseRange('11.0.0.0/8');
const small = parseRange('11.0.0.0-11.0.0.254');

/** Addresses DC/OS is known to have given. */
const known = [
  ['foo.bar', small, false, '11.0.0.37'],
  ['baz.qux', small, false, '11.0.0.39'],
  ['foo.marathon', small, false, '11.0.0.35'],
  ['foo.marathon', small, true, '11.0.0.36'],
  ['de8b9dc86.marathon', small, true, '11.0.0.91'],
  ['spark-dispatcher.marathon', shipped, true, '11.155.161.35'],
  ['spark-dispatcher.marathon', shipped, false, '11.155.161.34'],
  ['master.pgprocess', shipped, true, '11.93.165.44'],
  ['master.pgprocess', shipped, false, '11.93.165.43'],
  ['abc.marathon', shipped, false, '11.159.183.112'],
  ['cbd.marathon', shipped, false, '11.172.189.46'],
  ['def.marathon', shipped, false, '11.147.56.9'],
  ['jkl.marathon', shipped, false, '11.74.208.185'],
  ['xyz.marathon', shipped, false, '11.92.126.235'],
  ['qux.ipv6', parseRange('fd01:c::/64'), false, 'fd01:c::6d6d:9c64:fd19:f251'],
] as const;

for (const [name, range, legacy, address] of known) {
  test(`${name} prefers ${address}${legacy ? ', legacy' : ''}`, (t) => {
    t.is(addressOf(range.family, preferredAddress(name, range, legacy)), address);
  });
}

test('the hash of nothing is its start value', (t) => {
  t.is(phash2(new Uint8Array()), 0x08d12e65);
});

test('SHA-1 is read as one big-endian number', (t) => {
  t.is(sha1Number('abc'), 0xa9993e364706816aba3e25717850c26c9cd0d89dn);
});

test('a range of addresses is a prefix or its two ends', (t) => {
  t.deepEqual(parseRange('11.0.0.0/8'), parseRange('11.0.0.0-11.255.255.255'));
  t.deepEqual(parseRange('fd01:c::/64'), parseRange('fd01:c::-fd01:c::ffff:ffff:ffff:ffff'));
  for (const wrong of [
    '11.0.0.5-11.0.0.1',
    '11.0.0.1-fd00::1',
    '11.0.0.1-11.0.0.2-11.0.0.3',
    '11.0.0.1/32',
    '11.0.0.1',
  ]) {
    t.throws(() => parseRange(wrong), { code: 'ADDRESS_INVALID' } as object, wrong);
  }
});
