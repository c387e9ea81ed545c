import { flag, headerSize, rcode, rrClass, rrType } from './codes.js';
import { type NameKey, plainKey, plainNameEnd } from './name.js';

/** A question as the parser leaves it. One object serves for all queries: a parse allocates no more than the key. */
export class Query {
  id = 0;
  /** The 16 bits behind the id. */
  flags = 0;
  key: NameKey = '';
  type = 0;
  class = 0;
  /** Where the question section ends; its name begins at 12. */
  questionEnd = 0;
  edns = false;
  /** What the client can take over UDP, bytes; 512 or more. */
  udpSize = 0;
  /** The DO bit: wants DNSSEC records (RFC 3225). */
  dnssec = false;

  /** A copy that outlives the next parse. */
  copy(): Query {
    return Object.assign(new Query(), this);
  }
}

/** What to do with a message: `drop` it without a word, answer with a code alone, or `ok`. */
export type Parsed = 'ok' | 'drop' | { readonly rcode: number };

const formErr = { rcode: rcode.FORMERR };
const notImp = { rcode: rcode.NOTIMP };
const refused = { rcode: rcode.REFUSED };
const badVers = { rcode: rcode.BADVERS };

const smallestUdpSize = 512;

/**
 * Reads a query. A message without a whole header, or one that is itself an answer, is dropped: whoever answers those can
 * be made to talk to himself. When the outcome is a code, `into` holds as much as could be read, `questionEnd` 12 if
 * that was not even the question.
 */
export function parseQuery(bytes: Buffer, length: number, into: Query): Parsed {
  if (length < headerSize) return 'drop';
  const flags = (bytes[2]! << 8) | bytes[3]!;
  if (flags & flag.QR) return 'drop';
  into.id = (bytes[0]! << 8) | bytes[1]!;
  into.flags = flags;
  into.questionEnd = headerSize;
  into.edns = false;
  into.udpSize = smallestUdpSize;
  into.dnssec = false;
  if (flags & flag.opcode) return notImp;
  // One question, nothing that an answer has.
  if (bytes[4] !== 0 || bytes[5] !== 1 || bytes[6] || bytes[7] || bytes[8] || bytes[9]) return formErr;
  const nameEnd = plainNameEnd(bytes, headerSize, length);
  if (nameEnd < 0 || nameEnd + 4 > length) return formErr;
  into.key = plainKey(bytes, headerSize, nameEnd);
  into.type = (bytes[nameEnd]! << 8) | bytes[nameEnd + 1]!;
  into.class = (bytes[nameEnd + 2]! << 8) | bytes[nameEnd + 3]!;
  into.questionEnd = nameEnd + 4;
  const additional = (bytes[10]! << 8) | bytes[11]!;
  const problem = additional === 0 ? undefined : parseAdditional(bytes, length, additional, into);
  return problem ?? objection(into) ?? 'ok';
}

function parseAdditional(bytes: Buffer, length: number, count: number, into: Query): Parsed | undefined {
  let at = into.questionEnd;
  let version = 0;
  for (let i = 0; i < count; i++) {
    const nameEnd = plainNameEnd(bytes, at, length);
    if (nameEnd < 0 || nameEnd + 10 > length) return formErr;
    const type = bytes.readUInt16BE(nameEnd);
    const end = nameEnd + 10 + bytes.readUInt16BE(nameEnd + 8);
    if (end > length) return formErr;
    if (type === rrType.OPT) {
      // Exactly one, and it belongs to the root (RFC 6891 §6.1.1).
      if (into.edns || nameEnd !== at + 1) return formErr;
      into.edns = true;
      into.udpSize = Math.max(smallestUdpSize, bytes.readUInt16BE(nameEnd + 2));
      version = bytes[nameEnd + 5]!;
      into.dnssec = (bytes[nameEnd + 6]! & 0x80) !== 0;
    }
    at = end;
  }
  return version === 0 ? undefined : badVers;
}

function objection({ type, class: cls }: Query): Parsed | undefined {
  if (cls !== rrClass.IN && cls !== rrClass.ANY) return refused;
  // Transfers are not for the resolver of a node; OPT and the like are no questions.
  if (type === rrType.AXFR || type === rrType.IXFR) return refused;
  return type === rrType.OPT || type === 0 ? formErr : undefined;
}
