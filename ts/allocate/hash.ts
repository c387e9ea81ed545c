import { createHash } from 'node:crypto';

const GOLDEN = 0x9e3779b9;
/** Of binaries in Erlang's phash2: 13 times the golden-ratio constant. */
const BINARY_SEED = 0x08d12e65;
const BLOCK = 12;

/**
 * Erlang's `phash2` of a binary: Bob Jenkins' lookup2 (1996) with three words of state. 32 bits, unsigned; bytes are read
 * little-endian.
 */
export function phash2(bytes: Uint8Array): number {
  const state: State = [GOLDEN, GOLDEN, BINARY_SEED];
  if (bytes.length === 0) return BINARY_SEED;
  let at = 0;
  for (; bytes.length - at >= BLOCK; at += BLOCK) {
    add(state, word(bytes, at), word(bytes, at + 4), word(bytes, at + 8));
    mix(state);
  }
  // The lowest byte of the last word is the length's, so what is left over of it begins one byte higher.
  add(state, word(bytes, at), word(bytes, at + 4), (word(bytes, at + 8) << 8) + bytes.length);
  mix(state);
  return state[2];
}

/** SHA-1 (FIPS 180-4) as one number of 160 bits, big-endian. */
export function sha1Number(text: string): bigint {
  return BigInt(`0x${createHash('sha1').update(text).digest('hex')}`);
}

type State = [number, number, number];

/** Bytes that are not there are zero. */
function word(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] ?? 0;
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
}

function add(state: State, a: number, b: number, c: number): void {
  state[0] = (state[0] + a) >>> 0;
  state[1] = (state[1] + b) >>> 0;
  state[2] = (state[2] + c) >>> 0;
}

/** Negative numbers shift left, others right; one for each word in turn, three times. */
const SHIFTS = [13, -8, 13, 12, -16, 5, 3, -10, 15] as const;

function mix(state: State): void {
  for (const [i, shift] of SHIFTS.entries()) {
    const [self, next, last] = [i % 3, (i + 1) % 3, (i + 2) % 3] as const;
    const other = state[last]!;
    const shifted = shift > 0 ? other >>> shift : other << -shift;
    state[self] = ((state[self]! - state[next]! - other) ^ shifted) >>> 0;
  }
}
