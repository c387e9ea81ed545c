import {
  addressBytes,
  addressFromBytes,
  canonicalAddress,
  type Family,
  familyOf,
  formatPrefix,
  type Prefix,
  parsePrefix,
  prefixContains,
} from '../model/address.js';
import { VipdError } from '../util/errors.js';

/** The addresses names are given, as numbers in host order; both ends belong to it. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** Parses `11.0.0.0/8` or `11.0.0.0-11.0.0.254`. @throws VipdError ADDRESS_INVALID */
export function parseRange(text: string): AddressRange {
  const [from = '', to, ...more] = text.split('-');
  if (to === undefined) return prefixRange(parsePrefix(text));
  const [first, last] = [canonicalAddress(from), canonicalAddress(to)];
  const range = { family: familyOf(first), first: addressNumber(first), last: addressNumber(last) };
  if (more.length === 0 && familyOf(last) === range.family && range.first < range.last) return range;
  const cause = 'not FIRST-LAST of one family, the lower address first';
  throw new VipdError({
    code: 'ADDRESS_INVALID',
    object: text,
    cause,
    hint: 'write 11.0.0.0/8 or 11.0.0.0-11.0.0.254',
  });
}

export function formatRange({ family, first, last }: AddressRange): string {
  return `${addressOf(family, first)}-${addressOf(family, last)}`;
}

/** The first prefix of the family that has room for names. */
export function firstRange(family: Family, pools: readonly Prefix[]): AddressRange | undefined {
  const width = family === 4 ? 32 : 128;
  const pool = pools.find(({ address, bits }) => familyOf(address) === family && bits < width);
  return pool && prefixRange(pool);
}

/** @throws VipdError NAMES_OUTSIDE_POOLS unless one pool holds the whole range */
export function requirePool(range: AddressRange, pools: readonly Prefix[]): void {
  const ends = [range.first, range.last].map((number) => addressOf(range.family, number));
  if (pools.some((pool) => ends.every((end) => prefixContains(pool, end)))) return;
  const cause = `the addresses ${formatRange(range)} for names are in none of the pools ${pools.map(formatPrefix).join(', ')}`;
  const hint = 'give names addresses of one pool, or add a pool';
  throw new VipdError({ code: 'NAMES_OUTSIDE_POOLS', object: 'option names', cause, hint });
}

/** An IPv4 address as 32 bits, an IPv6 address as 128. */
export function addressNumber(address: string): bigint {
  const bytes = addressBytes(address);
  const own = familyOf(address) === 4 ? bytes.subarray(12) : bytes;
  return BigInt(`0x${Buffer.from(own).toString('hex')}`);
}

export function addressOf(family: Family, number: bigint): string {
  const v4 = family === 4 ? 0xffff_0000_0000n : 0n;
  return addressFromBytes(Buffer.from((number + v4).toString(16).padStart(32, '0'), 'hex'));
}

function prefixRange({ address, bits }: Prefix): AddressRange {
  const family = familyOf(address);
  const first = addressNumber(address);
  const size = 1n << BigInt((family === 4 ? 32 : 128) - bits);
  if (size > 1n) return { family, first, last: first + size - 1n };
  const cause = 'holds one address, too few for names';
  throw new VipdError({ code: 'ADDRESS_INVALID', object: `${address}/${bits}`, cause });
}
