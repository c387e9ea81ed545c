import { addressBytes, familyOf, type Prefix } from '../model/address.js';
import { type NameKey, nameKey } from './name.js';

/** The name that PTR records of an address are asked by (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(address: string): NameKey {
  return nameKey(reverseText(address, familyOf(address) === 4 ? 32 : 128));
}

/** The apex of the reverse zones that together are a prefix; more than one where it ends inside an octet or nibble. */
export function reverseZones({ address, bits }: Prefix): NameKey[] {
  const step = familyOf(address) === 4 ? 8 : 4;
  const whole = Math.ceil(bits / step) * step;
  const bytes = addressBytes(address);
  const offset = familyOf(address) === 4 ? 96 : 0;
  return Array.from({ length: 2 ** (whole - bits) }, (_, i) => {
    const copy = Uint8Array.from(bytes);
    const last = offset + whole - step;
    if (whole > 0) copy[last >> 3]! |= step === 8 ? i : i << (4 - (last & 4));
    return nameKey(reverseOf(copy, familyOf(address), whole));
  });
}

function reverseText(address: string, bits: number): string {
  return reverseOf(addressBytes(address), familyOf(address), bits);
}

function reverseOf(bytes: Uint8Array, family: 4 | 6, bits: number): string {
  if (family === 4) return [...[...bytes.subarray(12, 12 + bits / 8)].reverse(), 'in-addr.arpa'].join('.');
  const nibbles = [...bytes].flatMap((byte) => [byte >> 4, byte & 15]).slice(0, bits / 4);
  return [...nibbles.reverse().map((nibble) => nibble.toString(16)), 'ip6.arpa'].join('.');
}
