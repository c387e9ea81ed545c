import { flag, headerSize, rcode, rrType } from './codes.js';

/** What a resolver answered, looked through once so that it can be kept and handed out again. */
export interface Reply {
  /** Header, question and records without OPT; shares nothing with the buffer it came in. */
  readonly bytes: Buffer;
  readonly questionEnd: number;
  readonly rcode: number;
  readonly truncated: boolean;
  /** The AD bit: the resolver says it has validated the data. */
  readonly authentic: boolean;
  /** Where each record begins, in order. */
  readonly starts: Uint16Array;
  /** Where the TTL of each record is. */
  readonly ttls: Uint16Array;
  /** Records of answer, authority and additional. */
  readonly counts: readonly [number, number, number];
  /** How long it may be kept, seconds; 0: not at all. */
  readonly ttl: number;
}

/** TTLs above are taken for this: a day (RFC 8767 §4 advises against more than seven). Seconds. */
const longestTtl = 86_400;
/** A negative answer is not believed longer (RFC 2308 §5 says one to three hours). Seconds. */
const longestNegative = 3_600;

interface Scan {
  readonly starts: number[];
  readonly ttls: number[];
  readonly counts: [number, number, number];
  rcode: number;
  end: number;
  smallest: number;
  negative: number | undefined;
}

/** Looks a whole message through, and may write to it; undefined when its records do not fit into it. @param questionEnd checked before */
export function readReply(message: Buffer, questionEnd: number): Reply | undefined {
  const flags = message.readUInt16BE(2);
  const scan: Scan = {
    starts: [],
    ttls: [],
    counts: [0, 0, 0],
    rcode: flags & 0xf,
    end: questionEnd,
    smallest: longestTtl,
    negative: undefined,
  };
  if (message.length > 0xffff || !scanSections(message, questionEnd, scan)) return undefined;
  const bytes = Buffer.from(message.subarray(0, scan.end));
  for (const [i, count] of scan.counts.entries()) bytes.writeUInt16BE(count, 6 + 2 * i);
  return {
    bytes,
    questionEnd,
    rcode: scan.rcode,
    truncated: (flags & flag.TC) !== 0,
    authentic: (flags & flag.AD) !== 0,
    starts: Uint16Array.from(scan.starts),
    ttls: Uint16Array.from(scan.ttls),
    counts: scan.counts,
    ttl: ttlOf(scan),
  };
}

/** Only what says something definite is kept, and what says "no" only if it says for how long (RFC 2308 §5). */
function ttlOf({ rcode: code, counts, smallest, negative }: Scan): number {
  if (code === rcode.NXDOMAIN || (code === rcode.NOERROR && counts[0] === 0)) {
    return negative === undefined ? 0 : Math.min(negative, longestNegative);
  }
  return code === rcode.NOERROR ? smallest : 0;
}

function scanSections(message: Buffer, questionEnd: number, scan: Scan): boolean {
  let at = questionEnd;
  for (const section of [0, 1, 2] as const) {
    const count = message.readUInt16BE(6 + 2 * section);
    for (let i = 0; i < count; i++) {
      const next = scanRecord(message, at, section, scan);
      if (next < 0) return false;
      at = next;
    }
  }
  return true;
}

/** @returns where the record ends, −1 when it does not fit */
function scanRecord(message: Buffer, at: number, section: 0 | 1 | 2, scan: Scan): number {
  const fixed = skipName(message, at);
  calm(message, at, fixed);
  if (fixed < 0 || fixed + 10 > message.length) return -1;
  const end = fixed + 10 + message.readUInt16BE(fixed + 8);
  if (end > message.length) return -1;
  const type = message.readUInt16BE(fixed);
  if (type === rrType.OPT) {
    scan.rcode |= message[fixed + 4]! << 4;
    return end;
  }
  // What stands behind the OPT record is of no use to anybody who asked us (signatures of the transaction).
  if (scan.end !== at) return end;
  scan.starts.push(at);
  scan.ttls.push(fixed + 4);
  scan.counts[section] += 1;
  scan.end = end;
  const ttl = sane(message.readUInt32BE(fixed + 4));
  if (section < 2) scan.smallest = Math.min(scan.smallest, ttl);
  if (section === 1 && type === rrType.SOA && end - fixed > 14) {
    scan.negative = Math.min(ttl, message.readUInt32BE(end - 4));
  }
  return end;
}

/** Where a server repeats the question's name in full, the random letters it was asked with are nothing to be kept. */
function calm(message: Buffer, at: number, end: number): void {
  const length = end - at;
  if (length <= 2 || message.compare(message, headerSize, headerSize + length, at, end) !== 0) return;
  for (let i = at; i < end; i++) {
    const octet = message[i]!;
    if (octet >= 65 && octet <= 90) message[i] = octet + 32;
  }
}

/** With the highest bit set it means 0 (RFC 2181 §8). */
function sane(ttl: number): number {
  return ttl > 0x7fff_ffff ? 0 : ttl;
}

/** Behind the name at `at`; −1 when it runs out of the message or points forward. */
export function skipName(message: Buffer, at: number): number {
  for (let position = at; position < message.length; ) {
    const length = message[position]!;
    if (length === 0) return position + 1;
    if (length >= 0xc0) {
      if (position + 2 > message.length) return -1;
      return (((length & 0x3f) << 8) | message[position + 1]!) < at ? position + 2 : -1;
    }
    if (length > 63) return -1;
    position += 1 + length;
  }
  return -1;
}

/** Whether an answer settles the question: there is something, or there is nothing. */
export function isUseful({ rcode: code }: Pick<Reply, 'rcode'>): boolean {
  return code === rcode.NOERROR || code === rcode.NXDOMAIN;
}

/** Header and question as they were sent, but for the id and what a resolver sets; the question byte for byte. */
export function answersQuestion(
  message: Buffer,
  question: Buffer,
  letters: 'same case' | 'any case' = 'same case',
): boolean {
  if (message.length < question.length || message.length < headerSize) return false;
  const flags = message.readUInt16BE(2);
  if ((flags & flag.QR) === 0 || (flags & flag.opcode) !== 0 || message.readUInt16BE(4) !== 1) return false;
  if (message.compare(question, headerSize, question.length, headerSize, question.length) === 0) return true;
  return letters === 'any case' && folded(message, question.length) === folded(question, question.length);
}

function folded(message: Buffer, end: number): string {
  return message.toString('latin1', headerSize, end).toLowerCase();
}
