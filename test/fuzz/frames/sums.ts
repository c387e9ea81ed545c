import { word } from './headers.js';

/** The sum of 16-bit words in ones' complement, folded; an odd last byte is the upper half of a word (RFC 1071). */
export function onesSum(bytes: Buffer, from: number, to: number, initial = 0): number {
  let sum = initial;
  for (let at = from; at + 1 < to; at += 2) sum += word(bytes, at);
  if ((to - from) % 2 === 1) sum += bytes[to - 1]! << 8;
  return folded(sum);
}

/** What replacing words by others adds to a sum: that of the new and of the complements of the old (RFC 1624, eqn. 3). */
export function difference(before: Buffer, after: Buffer, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += (word(before, i) ^ 0xffff) + word(after, i);
  return sum;
}

/** A checksum after its message has changed by so much. */
export function updated(checksum: number, change: number): number {
  return folded((checksum ^ 0xffff) + change) ^ 0xffff;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest % 0x10000) + Math.floor(rest / 0x10000);
  return rest;
}
