import { randomFillSync } from 'node:crypto';
import { flag, headerSize, rrClass, rrType } from './codes.js';
import { type NameKey, writeName } from './name.js';

/** What is asked of another resolver. */
export interface Asked {
  readonly key: NameKey;
  readonly type: number;
  /** The client wants DNSSEC records. */
  readonly dnssec: boolean;
  /** The client checks signatures itself (the CD bit). */
  readonly unchecked: boolean;
}

/** What we can take over UDP without fragments (DNS flag day 2020), bytes. */
const ednsSize = 1232;

/** Identity of a question, for the cache and for those who ask the same at the same time. */
export function askedKey({ key, type, dnssec, unchecked }: Asked): string {
  return `${String.fromCharCode(type, (dnssec ? 1 : 0) | (unchecked ? 2 : 0))}${key}`;
}

/** The inverse of {@link askedKey}. */
export function askedOf(key: string): Asked {
  const bits = key.charCodeAt(1);
  return { type: key.charCodeAt(0), dnssec: (bits & 1) !== 0, unchecked: (bits & 2) !== 0, key: key.slice(2) };
}

/** A query message, its id 0; `questionEnd` is where the OPT record begins. With `mixed` letters are in random case (draft-vixie-dnsext-dns0x20). */
export function buildQuery(asked: Asked, mixed: boolean): { readonly message: Buffer; readonly questionEnd: number } {
  const questionEnd = headerSize + asked.key.length + 1 + 4;
  const message = Buffer.alloc(questionEnd + 11);
  message.writeUInt16BE(flag.RD | (asked.unchecked ? flag.CD : 0), 2);
  message[5] = 1;
  message[11] = 1;
  const nameEnd = writeName(asked.key, message, headerSize);
  if (mixed) mixCase(message, headerSize, nameEnd);
  message.writeUInt16BE(asked.type, nameEnd);
  message.writeUInt16BE(rrClass.IN, nameEnd + 2);
  message.writeUInt16BE(rrType.OPT, questionEnd + 1);
  message.writeUInt16BE(ednsSize, questionEnd + 3);
  if (asked.dnssec) message[questionEnd + 7] = 0x80;
  return { message, questionEnd };
}

function mixCase(message: Buffer, from: number, to: number): void {
  let bits = 0;
  for (let i = from, left = 0; i < to; i++) {
    const octet = message[i]!;
    if (octet < 97 || octet > 122) continue;
    if (left === 0) {
      bits = randomWord();
      left = 16;
    }
    if (bits & 1) message[i] = octet - 32;
    bits >>>= 1;
    left -= 1;
  }
}

const pool = new Uint16Array(2048);
let drawn = pool.length;

/** 16 bits that nobody can guess. */
export function randomWord(): number {
  if (drawn === pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  return pool[drawn++]!;
}
