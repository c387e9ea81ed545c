import { phash2, sha1Number } from './hash.js';
import type { AddressRange } from './range.js';

/**
 * Where a name such as `web.marathon` stands in the range when nobody is in its way: for IPv4 by phash2, for IPv6 by
 * SHA-1, both modulo the last address minus the first, as DC/OS does it. `legacy` is the generation up to 1.11, whose
 * IPv4 addresses are one higher.
 */
export function preferredAddress(name: string, range: AddressRange, legacy = false): bigint {
  const span = range.last - range.first;
  if (range.family === 6) return range.first + (sha1Number(name) % span);
  const offset = BigInt(phash2(Buffer.from(name))) % span;
  return range.first + (legacy ? (offset + 1n) % span : offset);
}
