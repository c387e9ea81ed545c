import type { ExecutionContext } from 'ava';
import { formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import type { Expectation, Seen } from './case.js';
import { natPorts } from './case.js';
import { dissect, type Frame, type Transport } from './dissect.js';
import { packetOf } from './packet-source.js';
import { nextHopMac, nodeSources, ownMac } from './test-surroundings.js';

export type Verdict = 'passed' | 'turned' | 'redirected' | 'dropped' | `other ${number}`;

export interface Outcome {
  readonly verdict: Verdict;
  readonly data: Buffer;
}

/** Holds what came out against what should have; `where` goes into messages. @returns where the packet was sent to, else `seen` */
export function check(
  t: ExecutionContext,
  sent: Buffer,
  got: Outcome,
  expect: Expectation,
  seen: Seen,
  where: string,
): Seen {
  switch (expect.kind) {
    case 'untouched':
      t.is(got.verdict, 'passed', where);
      t.is(got.data.toString('hex'), sent.toString('hex'), where);
      return seen;
    case 'refused':
      t.is(got.verdict, 'turned', where);
      checkRefusal(t, sent, dissect(got.data), where);
      return seen;
    case 'dropped':
      t.is(got.verdict, 'dropped', where);
      return seen;
    case 'tooBig':
      t.is(got.verdict, 'turned', where);
      checkTooBig(t, sent, got.data, expect.fits, where);
      return seen;
    case 'tunnelled':
      t.is(got.verdict, expect.left ? 'passed' : 'turned', where);
      checkTunnelled(t, sent, got.data, expect, where);
      return seen;
    case 'directed':
      t.is(got.verdict, 'turned', where);
      checkDirected(t, dissect(sent), dissect(got.data), where);
      return seen;
    case 'becomes':
      t.is(got.verdict, expect.turned ? 'turned' : 'passed', where);
      checkExactly(t, sent, got.data, packetOf(expect.packet, seen), expect.turned, where);
      return seen;
    case 'rewritten':
      t.is(got.verdict, expect.turned ? 'turned' : 'passed', where);
      return {
        source: expect.dst === undefined ? seen.source : end(dissect(got.data), 'src'),
        chosen: checkRewrite(t, dissect(sent), dissect(got.data), expect, seen.chosen, where),
      };
    case 'sent':
      t.is(got.verdict, 'turned', where);
      return checkSent(t, dissect(sent), dissect(got.data), expect, seen, where);
    case 'sentError':
      t.is(got.verdict, 'turned', where);
      checkSentError(t, sent, got.data, packetOf(expect.packet, seen), where);
      return seen;
    case 'sentBack':
      t.is(got.verdict, 'passed', where);
      t.deepEqual(dissect(got.data), withEnds(dissect(sent), expect, false), where);
      return seen;
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
  if (expect.dst !== undefined) checkChosen(t, dst, expect.dst, chosen, where);
  const src =
    expect.src === 'another port' ? anotherPort(t, sent, got, expect.turned, where) : (expect.src ?? end(sent, 'src'));
  const ends = { src, dst: expect.dst === undefined ? end(sent, 'dst') : dst };
  t.deepEqual(got, withEnds(sent, ends, expect.turned), where);
  return expect.dst === undefined ? chosen : dst;
}

/** A client that is its own backend has the VIP's address there. */
function anotherPort(t: ExecutionContext, sent: Frame, got: Frame, turned: boolean, where: string): string {
  const [before, now] = [parseEndpoint(end(sent, turned ? 'dst' : 'src')), parseEndpoint(end(got, 'src'))];
  t.is(now.address, before.address, where);
  t.true(now.port >= natPorts.first && now.port <= natPorts.last, `${where}: port ${now.port}`);
  return formatEndpoint(now);
}

/** One hop older: with IPv4 that shows in its checksum too, which the dissector has looked at. */
function checkSentError(t: ExecutionContext, sent: Buffer, got: Buffer, wanted: Buffer, where: string): void {
  const [frame, exactly] = [dissect(got), dissect(wanted)];
  checkLink(t, dissect(sent), frame, where);
  const ip = { ...exactly.ip!, ttl: exactly.ip!.ttl - 1 };
  t.deepEqual(frame, { ...exactly, macs: frame.macs, ip }, where);
}

function checkChosen(
  t: ExecutionContext,
  dst: string,
  wanted: readonly string[] | 'same' | 'another',
  chosen: string | undefined,
  where: string,
): void {
  if (wanted === 'same') t.is(dst, chosen ?? 'a backend', where);
  else if (wanted === 'another') t.not(dst, chosen, where);
  else t.true(wanted.includes(dst), `${where}: ${dst} is none of ${wanted.join(', ')}`);
}

/** From an address of the node and one of its ports for that, one hop older; all else as it was. */
function checkSent(
  t: ExecutionContext,
  sent: Frame,
  got: Frame,
  expect: Extract<Expectation, { kind: 'sent' }>,
  seen: Seen,
  where: string,
): Seen {
  const ends = { src: end(got, 'src'), dst: end(got, 'dst') };
  const { address, port } = parseEndpoint(ends.src);
  checkChosen(t, ends.dst, expect.dst, seen.chosen, where);
  checkLink(t, sent, got, where);
  t.is(address, nodeSources[sent.ip!.family], where);
  t.true(port >= natPorts.first && port <= natPorts.last, `${where}: port ${port}`);
  if (expect.source === 'same') t.is(ends.src, seen.source ?? 'a source', where);
  else if (expect.source === 'new') t.not(ends.src, seen.source, where);
  const older = { ...sent, macs: got.macs, ip: { ...sent.ip!, ttl: sent.ip!.ttl - 1 } };
  t.deepEqual(got, withEnds(older, ends, false), where);
  return { chosen: ends.dst, source: ends.src };
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

type Tunnelled = Extract<Expectation, { kind: 'tunnelled' }>;

function plain(mac: string): string {
  return mac.replaceAll(':', '');
}

/** tc leaves the link header to the kernel, which writes it when it sends; XDP writes it itself. */
function checkLink(t: ExecutionContext, sent: Frame, got: Frame, where: string): void {
  const wanted = [sent.macs, { src: plain(ownMac), dst: plain(nextHopMac) }];
  t.true(
    wanted.some(({ src, dst }) => src === got.macs.src && dst === got.macs.dst),
    `${where}: ${JSON.stringify(got.macs)}`,
  );
  t.deepEqual(got.vlans, sent.vlans, where);
}

/** RFC 2003 §3.1, RFC 2473 §3.1: the inner packet is not touched, the outer header takes over what it must. */
function checkTunnelled(t: ExecutionContext, sent: Buffer, got: Buffer, expect: Tunnelled, where: string): void {
  const [inner, outer] = [dissect(sent), dissect(got)];
  const ip = inner.ip!;
  t.deepEqual(outer.problems, [], where);
  checkLink(t, inner, outer, where);
  t.is(outer.payload, sent.subarray(14 + inner.vlans.length * 4).toString('hex'), where);
  t.is(outer.ip?.protocol, ip.family === 4 ? 4 : 41, where);
  t.is(outer.ip?.ttl, 64, where);
  t.is(outer.ip?.src, expect.left ? ip.src : nodeSources[ip.family], where);
  t.true(expect.to.includes(outer.ip?.dst ?? ''), `${where}: ${outer.ip?.dst}`);
  // IPv4: TOS, identification, may-fragment. IPv6: version and traffic class; the flow label is another.
  if (ip.family === 4) t.is(outer.ip?.rest, ip.rest.slice(0, 10), where);
  else t.is(outer.ip?.rest.slice(0, 3), ip.rest.slice(0, 3), where);
}

function checkDirected(t: ExecutionContext, sent: Frame, got: Frame, where: string): void {
  checkLink(t, sent, got, where);
  t.deepEqual({ ...got, macs: sent.macs }, { ...sent, ip: { ...sent.ip!, ttl: sent.ip!.ttl - 1 } }, where);
}

/** RFC 1191 §4, RFC 4443 §3.2: from the VIP, with the size in the second half of the unused word. */
function checkTooBig(t: ExecutionContext, sent: Buffer, data: Buffer, fits: number, where: string): void {
  const [asked, got] = [dissect(sent), dissect(data)];
  const [type, code, quoted, at] = got.ip?.family === 4 ? [3, 4, 28, 20] : [2, 0, 48, 40];
  t.deepEqual(got.problems, [], where);
  t.deepEqual(got.macs, swapped(asked.macs), where);
  t.deepEqual([got.ip?.src, got.ip?.dst], [asked.ip?.dst, asked.ip?.src], where);
  t.deepEqual(got.transport, { kind: 'icmp', type, code }, where);
  t.is(data.readUInt32BE(14 + got.vlans.length * 4 + at + 4), fits, where);
  t.is(
    got.payload,
    sent.toString('hex').slice(28 + got.vlans.length * 8, 28 + got.vlans.length * 8 + quoted * 2),
    where,
  );
}
