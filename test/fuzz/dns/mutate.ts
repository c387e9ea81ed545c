import type { Random } from '../random.js';

/** Values that have a meaning somewhere in a message: pointers, longest labels, ends, types. */
const telling = [0, 1, 11, 12, 41, 63, 64, 65, 127, 128, 191, 192, 193, 250, 255];

/** A packet with some damage, now and then with none. */
export function mutated(random: Random, packet: Buffer): Buffer {
  let bytes = Buffer.from(packet);
  for (let n = random.below(5); n > 0; n--) bytes = once(random, bytes);
  return bytes;
}

function once(random: Random, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const copy = Buffer.from(bytes);
  switch (random.below(7)) {
    case 0:
      if (at < copy.length) copy[at] = random.pick(telling);
      return copy;
    case 1:
      if (at < copy.length) copy[at]! ^= 1 << random.below(8);
      return copy;
    case 2:
      return Buffer.from(copy.subarray(0, at));
    case 3:
      return Buffer.concat([copy.subarray(0, at), noise(random, random.below(40)), copy.subarray(at)]);
    case 4:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + random.below(20)))]);
    case 5:
      // The header is small, and most of what decides is there.
      if (copy.length >= 12) copy[random.below(12)] = random.pick(telling);
      return copy;
    default:
      return Buffer.concat([copy, random.oneIn(2) ? copy.subarray(at) : noise(random, random.below(300))]);
  }
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}
