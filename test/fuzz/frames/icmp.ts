import { endText, flowKey } from './flow-record.js';
import { Headers, TCP, UDP, word } from './headers.js';
import { isForNextHop, macsSwapped } from './nat.js';
import { isAnswerable } from './refusal.js';
import { isNodeSource, type Scene, type SceneVip } from './scene.js';
import type { Setting } from './setting.js';
import type { Sighting } from './sighting.js';
import { difference, updated } from './sums.js';

const TTL = 64;
/** Types of errors that quote a packet. */
const ERRORS = { 4: [3, 11, 12], 6: [1, 2, 3, 4] } as const;
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** An echo request to the address of a VIP and its reply (RFC 792, RFC 4443 §4.2): what is wrong, if anything. */
export function echoProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, sentSize, got, headers } = seen;
  const { kind, l3, l4, family, source, destination, addressLength } = headers;
  if (kind !== 'icmp' || word(sent, l4) !== ECHO[family].request << 8) return 'is no echo request';
  const address = scene.addressAt(sent, destination, addressLength);
  if (!scene.vips.some((vip) => scene.addressAt(vip.address, 0, vip.address.length) === address))
    return 'is not to a VIP';
  if (!isAnswerable(sent, headers) || scene.isOurs(sent, source, addressLength)) return 'must not be answered';
  const wanted = Buffer.from(sent.subarray(0, sentSize));
  sent.copy(wanted, 0, 6, 12);
  sent.copy(wanted, 6, 0, 6);
  sent.copy(wanted, source, destination, destination + addressLength);
  sent.copy(wanted, destination, source, source + addressLength);
  wanted[l3 + (family === 4 ? 8 : 7)] = TTL;
  wanted[l4] = ECHO[family].reply;
  if (family === 4) wanted.writeUInt16BE(updated(word(sent, l3 + 10), difference(sent, wanted, l3 + 8, 2)), l3 + 10);
  wanted.writeUInt16BE(updated(word(sent, l4 + 2), difference(sent, wanted, l4, 2)), l4 + 2);
  return seen.gotSize === sentSize && wanted.equals(got.subarray(0, sentSize)) ? undefined : 'is another reply';
}

/** The two ends of a packet as codes of the scene. */
interface Ends {
  readonly src: number;
  readonly dst: number;
}

/** An error about a packet that was translated: what is wrong with it, if anything. */
export function errorProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, sentSize, got, headers } = seen;
  const { kind, l3, l4, length, family } = headers;
  if (kind !== 'icmp' || !(ERRORS[family] as readonly number[]).includes(sent[l4]!)) return 'is no ICMP error';
  const end = l3 + length;
  if (seen.gotSize !== sentSize || end > sentSize) return 'the frame is cut short, or its size has changed';
  const quote = new Headers();
  quote.readQuote(sent, end, l4 + 8);
  if (quote.kind !== 'flow' || quote.family !== family) return `quotes what is ${quote.kind}`;
  const [was, is] = [endsOf(scene, sent, quote), endsOf(scene, got, quote)];
  const asked = scene.vipOf(is.dst);
  const answered = scene.vipOf(was.src);
  const client = (bytes: Buffer, address: number, port: number, vip: SceneVip) =>
    record.backendOf(flowKey(vip, bytes, address, quote.addressLength, port));
  const aboutRequest = asked !== undefined && client(got, quote.source, quote.l4, asked) === was.dst;
  const full = fullNatProblem(seen, quote, { was, is }, { scene, record });
  if (full !== 'none') return full ?? addressProblem(seen, quote) ?? contentProblem(seen, quote, end);
  const known = answered && client(sent, quote.destination, quote.l4 + 2, answered);
  const aboutAnswer = answered !== undefined && (known === undefined ? answered.active.has(is.src) : known === is.src);
  if (!aboutRequest && !aboutAnswer) return 'quotes no packet of a flow';
  return addressProblem(seen, quote) ?? contentProblem(seen, quote, end);
}

/**
 * With full NAT either the node and one of its ports is what the quoted packet came from, or what it would be sent to now:
 * what is wrong, or `none` where it is another mode.
 */
function fullNatProblem(
  { sent, got, verdict }: Sighting,
  quote: Headers,
  { was, is }: { was: Ends; is: Ends },
  { scene, record }: Setting,
): string | undefined {
  const { source, destination, addressLength, l4 } = quote;
  const [asked, answered] = [scene.vipOf(is.dst), scene.vipOf(was.src)];
  if (asked?.mode === 'full-nat') {
    const key = flowKey(asked, got, source, addressLength, l4);
    if (!isNodeSource(sent, source, addressLength)) return 'quotes what the node has not sent';
    if (verdict !== 'passed') return 'is about what was sent, and not left to the stack';
    return record.answers(key, was.dst, endText(sent, source, addressLength, l4))
      ? undefined
      : 'quotes no packet of a flow with full NAT';
  }
  if (answered?.mode !== 'full-nat') return 'none';
  const key = flowKey(answered, sent, destination, addressLength, l4 + 2);
  if (!isNodeSource(got, destination, addressLength)) return 'quotes no packet to the node';
  if (verdict !== 'turned') return 'is for a backend, and not sent there';
  return record.answers(key, is.src, endText(got, destination, addressLength, l4 + 2))
    ? undefined
    : 'quotes no answer of a flow with full NAT';
}

/** Is the error sent to a backend by the node itself: one hop older, to the next hop? */
function isSent({ got, verdict, headers }: Sighting, quote: Headers): boolean {
  return verdict === 'turned' && isNodeSource(got, quote.destination, headers.addressLength);
}

/** It goes to the one whose packet it quotes, and keeps its sender unless that is the other end of the flow. */
function addressProblem(seen: Sighting, quote: Headers): string | undefined {
  const { sent, got, headers, verdict } = seen;
  const same = (a: Buffer, atA: number, b: Buffer, atB: number) =>
    a.compare(b, atB, atB + headers.addressLength, atA, atA + headers.addressLength) === 0;
  if (!same(sent, headers.destination, sent, quote.source)) return 'was not sent to whom it quotes';
  if (!same(got, headers.destination, got, quote.source)) return 'is not sent to whom it quotes';
  const byEnd = same(sent, headers.source, sent, quote.destination);
  const [from, at] = byEnd ? [got, quote.destination] : [sent, headers.source];
  if (!same(got, headers.source, from, at)) return 'has another sender';
  if (verdict !== 'turned') return undefined;
  if (isSent(seen, quote)) return isForNextHop(seen) ? undefined : 'is not for the next hop';
  return macsSwapped(seen) ? undefined : 'the Ethernet addresses are not swapped';
}

/** Nothing but addresses, ports and checksums is changed, and each checksum by what it covers. */
function contentProblem(seen: Sighting, quote: Headers, end: number): string | undefined {
  const { sent, got, sentSize, headers, verdict } = seen;
  const { l3, l4, source, addressLength } = headers;
  const wanted = Buffer.from(sent.subarray(0, sentSize));
  if (verdict === 'turned') got.copy(wanted, 0, 0, 12);
  got.copy(wanted, source, source, source + 2 * addressLength);
  got.copy(wanted, quote.source, quote.source, quote.source + 2 * addressLength);
  got.copy(wanted, quote.l4, quote.l4, quote.l4 + 4);
  if (isSent(seen, quote)) wanted[l3 + (addressLength === 4 ? 8 : 7)]! -= 1;
  const life = addressLength === 4 ? difference(sent, wanted, l3 + 8, 2) : 0;
  const outer = difference(sent, wanted, source, 2 * addressLength);
  const inner = difference(sent, wanted, quote.source, 2 * addressLength);
  if (addressLength === 4) {
    wanted.writeUInt16BE(updated(word(sent, l3 + 10), outer + life), l3 + 10);
    wanted.writeUInt16BE(updated(word(sent, quote.l3 + 10), inner), quote.l3 + 10);
  }
  if (quote.checksum + 2 <= end) {
    const before = word(sent, quote.checksum);
    const after = updated(before, inner + difference(sent, wanted, quote.l4, 4));
    if (quote.protocol === TCP || before !== 0)
      wanted.writeUInt16BE(quote.protocol === UDP && after === 0 ? 0xffff : after, quote.checksum);
  }
  const message = difference(sent, wanted, l4 + 8, (end - l4 - 8) & ~1);
  wanted.writeUInt16BE(updated(word(sent, l4 + 2), message + (addressLength === 16 ? outer : 0)), l4 + 2);
  return wanted.equals(got.subarray(0, sentSize)) ? undefined : `should be ${wanted.toString('hex')}`;
}

function endsOf(scene: Scene, bytes: Buffer, { source, destination, addressLength, l4, protocol }: Headers): Ends {
  return {
    src: scene.code(scene.addressAt(bytes, source, addressLength), word(bytes, l4), protocol),
    dst: scene.code(scene.addressAt(bytes, destination, addressLength), word(bytes, l4 + 2), protocol),
  };
}
