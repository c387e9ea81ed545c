import { describeRaw } from '../../../ts/dns/describe.js';
import { Query } from '../../../ts/dns/question.js';
import { looseRecords } from '../../../ts/dns/records-in.js';
import { readReply } from '../../../ts/dns/reply.js';
import { serveReply } from '../../../ts/dns/serve.js';
import { query } from '../../unit/dns/asking-ours.js';

const request = query('www.example.org', { size: 512 });
const questionEnd = 33;
const asked = Object.assign(new Query(), { id: 4711, flags: 0x0100, questionEnd, edns: true, udpSize: 512, type: 1 });
const into = Buffer.alloc(66_000);

/** Keeps a reply of others, if it can be kept, and hands it out again at two sizes. */
export function badReply(message: Buffer): string | undefined {
  if (message.length < questionEnd) return undefined;
  const reply = readReply(Buffer.from(message), questionEnd);
  if (reply === undefined) return undefined;
  for (const section of [0, 1, 2] as const) for (const one of looseRecords(reply, section) ?? []) describeRaw(one.data);
  for (const limit of [512, 65_535]) {
    const length = serveReply(request, asked, reply, into, { limit, udpSize: 1232, age: 1 });
    if (length > limit) return `a reply handed out with ${length} bytes of ${limit}`;
    if (readReply(Buffer.from(into.subarray(0, length)), questionEnd) === undefined) return 'a reply handed out broken';
  }
  return undefined;
}
