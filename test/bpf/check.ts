import type { ExecutionContext } from 'ava';
import { formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import type { Expectation } from './case.js';
import { dissect, type Frame, type Transport } from './dissect.js';
import { packetOf } from './packet-source.js';

export type Verdict = 'passed' | 'turned' | `other ${number}`;

export interface Outcome {
  readonly verdict: Verdict;
  readonly data: Buffer;
}

/** Holds what came out against what should have; `where` goes into messages. @returns the backend the packet was sent to, else `chosen` */
export function check(
  t: ExecutionContext,
  sent: Buffer,
  got: Outcome,
  expect: Expectation,
  chosen: string | undefined,
  where: string,
): string | undefined {
  switch (expect.kind) {
    case 'untouched':
      t.is(got.verdict, 'passed', where);
      t.is(got.data.toString('hex'), sent.toString('hex'), where);
      return chosen;
    case 'refused':
      t.is(got.verdict, 'turned', where);
      checkRefusal(t, sent, dissect(got.data), where);
      return chosen;
    case 'becomes':
      t.is(got.verdict, expect.turned ? 'turned' : 'passed', where);
      checkExactly(t, sent, got.data, packetOf(expect.packet, chosen), expect.turned, where);
      return chosen;
    case 'rewritten':
      t.is(got.verdict, expect.turned ? 'turned' : 'passed', where);
      return checkRewrite(t, dissect(sent), dissect(got.data), expect, chosen, where);
  }
}

function checkRewrite(
  t: ExecutionContext,
  sent: Frame,
  got: Frame,
  expect: Extract<Expectation, { kind: 'rewritten' }>,
  chosen: string | undefined,
  where: string,
): string | undefined {
  const dst = end(got, 'dst');
  if (expect.dst === 'same') t.is(dst, chosen ?? 'a backend', where);
  else if (expect.dst === 'another') t.not(dst, chosen, where);
  else if (expect.dst !== undefined)
    t.true(expect.dst.includes(dst), `${where}: ${dst} is none of ${expect.dst.join(', ')}`);
  const ends = { src: expect.src ?? end(sent, 'src'), dst: expect.dst === undefined ? end(sent, 'dst') : dst };
  t.deepEqual(got, withEnds(sent, ends, expect.turned), where);
  return expect.dst === undefined ? chosen : dst;
}

/** The checker reads what the builder wrote as well: neither may be wrong alone. */
function checkExactly(
  t: ExecutionContext,
  sent: Buffer,
  got: Buffer,
  wanted: Buffer,
  turned: boolean,
  where: string,
): void {
  const macs = turned ? [sent.subarray(6, 12), sent.subarray(0, 6)] : [sent.subarray(0, 12)];
  t.is(got.toString('hex'), Buffer.concat([...macs, wanted.subarray(12)]).toString('hex'), where);
  t.deepEqual(dissect(got).problems, dissect(sent).problems, where);
}

/** Where a frame comes from or goes to, as `address:port`. */
function end(frame: Frame, side: 'src' | 'dst'): string {
  const transport = frame.transport;
  if (frame.ip === undefined || transport === undefined || transport.kind === 'icmp') return 'nowhere';
  const port = side === 'src' ? transport.sport : transport.dport;
  return formatEndpoint({ address: frame.ip[side], port });
}

/** The same frame with other ends, all else kept. */
function withEnds(frame: Frame, ends: { src: string; dst: string }, turned: boolean): Frame {
  const [src, dst] = [parseEndpoint(ends.src), parseEndpoint(ends.dst)];
  const { ip, transport } = frame;
  if (ip === undefined || transport === undefined || transport.kind === 'icmp') return frame;
  return {
    ...frame,
    macs: turned ? swapped(frame.macs) : frame.macs,
    ip: { ...ip, src: src.address, dst: dst.address },
    transport: { ...transport, sport: src.port, dport: dst.port },
  };
}

function swapped<T>(ends: { src: T; dst: T }): { src: T; dst: T } {
  return { src: ends.dst, dst: ends.src };
}

function checkRefusal(t: ExecutionContext, sent: Buffer, got: Frame, where: string): void {
  const asked = dissect(sent);
  t.deepEqual(got.problems, [], where);
  t.deepEqual(got.macs, swapped(asked.macs), where);
  t.deepEqual(got.vlans, asked.vlans, where);
  t.deepEqual([got.ip?.src, got.ip?.dst], [asked.ip?.dst, asked.ip?.src], where);
  t.true((got.ip?.ttl ?? 0) >= 32, where);
  if (asked.transport?.kind === 'tcp') checkReset(t, asked, asked.transport, got, where);
  else checkUnreachable(t, sent, got, where);
}

type Segment = Extract<Transport, { kind: 'tcp' }>;

/** RFC 9293 §3.5.2, group 1. */
function checkReset(t: ExecutionContext, asked: Frame, segment: Segment, got: Frame, where: string): void {
  const length = asked.payload.length / 2 + [...segment.flags].filter((flag) => 'SF'.includes(flag)).length;
  const numbers = segment.flags.includes('A')
    ? { seq: segment.ack, ack: 0, flags: 'R' }
    : { seq: 0, ack: (segment.seq + length) % 2 ** 32, flags: 'RA' };
  t.like(got.transport, { kind: 'tcp', sport: segment.dport, dport: segment.sport, ...numbers }, where);
  t.is(got.payload, '', where);
}

/** RFC 792 and RFC 4443 §3.1: the quote begins with the whole IP header and eight bytes behind it. */
function checkUnreachable(t: ExecutionContext, sent: Buffer, got: Frame, where: string): void {
  const [type, code, quoted] = got.ip?.family === 4 ? [3, 3, 28] : [1, 4, 48];
  t.deepEqual(got.transport, { kind: 'icmp', type, code }, where);
  t.true(got.payload.length / 2 >= quoted, where);
  t.true(sent.toString('hex').slice(28).includes(got.payload), where);
}
