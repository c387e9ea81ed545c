import test from 'ava';
import dnsPacket from 'dns-packet';
import * as fc from 'fast-check';
import { nameText } from '../../../ts/dns/name.js';
import { parseQuery, Query } from '../../../ts/dns/question.js';

const { encode } = dnsPacket;

function parsed(bytes: Buffer): { outcome: unknown; query: Query } {
  const query = new Query();
  return { outcome: parseQuery(bytes, bytes.length, query), query };
}

function ask(over: object = {}, question: object = {}): Buffer {
  const questions = [{ type: 'A', name: 'Web.Example', class: 'IN', ...question }];
  return encode({ type: 'query', id: 7, flags: 0x0100, questions, ...over } as dnsPacket.Packet);
}

const opt = (over: object = {}) => ({ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [], ...over });

/** An A record below a name, turned into an OPT record. */
function named(): Buffer {
  const bytes = ask({ additionals: [{ type: 'A', name: 'a', data: '192.0.2.1' }] });
  bytes[33] = 41;
  return bytes;
}

test('reads what an independent encoder writes', (t) => {
  const { outcome, query } = parsed(ask({ additionals: [opt({ flags: 0x8000 })] }));
  t.is(outcome, 'ok');
  t.like(query, { id: 7, type: 1, class: 1, edns: true, udpSize: 4096, dnssec: true, questionEnd: 29 });
  t.is(nameText(query.key), 'web.example');
  t.like(parsed(ask()).query, { edns: false, udpSize: 512, dnssec: false });
  t.is(parsed(ask({ additionals: [opt({ udpPayloadSize: 100 })] })).query.udpSize, 512);
});

test('says what is wrong by the code the RFCs have for it', (t) => {
  const cases: [string, Buffer, unknown][] = [
    ['no header', ask().subarray(0, 11), 'drop'],
    ['an answer', ask({ type: 'response' }), 'drop'],
    ['another opcode', ask({ flags: 0x2000 }), { rcode: 4 }],
    ['no question', ask({ questions: [] }), { rcode: 1 }],
    ['two questions', ask({ questions: [1, 2].map(() => ({ type: 'A', name: 'a' })) }), { rcode: 1 }],
    ['a record in it', ask({ answers: [{ type: 'A', name: 'a', data: '192.0.2.1' }] }), { rcode: 1 }],
    ['another class', ask({}, { class: 'CH' }), { rcode: 5 }],
    ['a transfer', ask({}, { type: 'AXFR' }), { rcode: 5 }],
    ['an OPT record as question', ask({}, { type: 'OPT' }), { rcode: 1 }],
    ['two OPT records', ask({ additionals: [opt(), opt()] }), { rcode: 1 }],
    ['an OPT record of a name', named(), { rcode: 1 }],
    ['a later version of EDNS', ask({ additionals: [opt({ ednsVersion: 1 })] }), { rcode: 16 }],
    ['a question cut short', ask().subarray(0, 27), { rcode: 1 }],
    ['an OPT record cut short', ask({ additionals: [opt()] }).subarray(0, 35), { rcode: 1 }],
    [
      'a pointer in the question',
      Buffer.concat([ask().subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
      { rcode: 1 },
    ],
  ];
  for (const [title, bytes, outcome] of cases) t.deepEqual(parsed(bytes).outcome, outcome, title);
});

test('never reads beyond the message, and never throws', (t) => {
  const whole = ask({ additionals: [opt()] });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(60), fc.nat(60), (noise, at, cut) => {
      const bytes = Buffer.from(whole);
      bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      const outcome = parsed(bytes.subarray(0, cut)).outcome;
      return outcome !== undefined;
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});
