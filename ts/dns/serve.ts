import { flag, optSize } from './codes.js';
import { beginAnswer, finishAnswer } from './encoder.js';
import type { Query } from './question.js';
import type { Reply } from './reply.js';

export interface ServeOptions {
  /** Most bytes of the whole message. */
  readonly limit: number;
  /** Announced in the OPT record, bytes. */
  readonly udpSize: number;
  /** Seconds since the reply came: so much less are its records worth. */
  readonly age: number;
  /** When given, the TTL of every record, seconds: what is handed out for want of anything fresh. */
  readonly ttl?: number | undefined;
}

/**
 * Writes a reply of others as the answer to a query for the same name: the question in the client's own letters, TTLs
 * counted down, cut between records where the client can take no more. @returns the message's length
 */
export function serveReply(request: Buffer, query: Query, reply: Reply, into: Buffer, options: ServeOptions): number {
  const { limit, udpSize, age, ttl } = options;
  beginAnswer(request, query, into);
  const room = limit - (query.edns ? optSize : 0);
  const fitting = fittingRecords(reply, room);
  const end = fitting === reply.starts.length ? reply.bytes.length : reply.starts[fitting]!;
  reply.bytes.copy(into, reply.questionEnd, reply.questionEnd, end);
  for (let i = 0; i < fitting; i++) {
    const at = reply.ttls[i]!;
    into.writeUInt32BE(ttl ?? Math.max(0, into.readUInt32BE(at) - age), at);
  }
  writeCounts(reply, fitting, into);
  const [answers, authorities] = reply.counts;
  const cut = reply.truncated || fitting < answers + authorities;
  const authentic = reply.authentic && (query.dnssec || (query.flags & flag.AD) !== 0);
  const flags = flag.RA | (cut ? flag.TC : 0) | (authentic ? flag.AD : 0);
  return finishAnswer(query, flags, reply.rcode, into, end, udpSize);
}

/** How many records, from the first on, end within `room` bytes. */
function fittingRecords({ bytes, starts }: Reply, room: number): number {
  if (bytes.length <= room) return starts.length;
  let fitting = starts.length;
  while (fitting > 0 && starts[fitting - 1]! > room) fitting -= 1;
  // The last of those begins within the room but ends beyond it.
  return Math.max(0, fitting - 1);
}

function writeCounts({ counts }: Reply, fitting: number, into: Buffer): void {
  let left = fitting;
  counts.forEach((count, i) => {
    const kept = Math.min(left, count);
    into.writeUInt16BE(kept, 6 + 2 * i);
    left -= kept;
  });
}
