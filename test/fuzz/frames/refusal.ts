import { flag, HEADER, type Headers, TCP, word } from './headers.js';
import { macsSwapped } from './nat.js';
import type { Sighting } from './sighting.js';
import { onesSum } from './sums.js';

const [ICMP, ICMPV6] = [1, 58];
/** What an unreachable quotes behind its 8 bytes: the IP header and 8 bytes (RFC 792, RFC 4443). */
const UNREACHABLE = { 4: [3, 3], 6: [1, 4] } as const;
const TOO_BIG = { 4: [3, 4], 6: [2, 0] } as const;
const QUOTED = { 4: 28, 6: 48 } as const;

/**
 * Whether a packet to something that does not exist is answered: not one that is an answer itself, has options or
 * extension headers we do not turn around, or comes from what cannot have sent it (RFC 1122 §3.2.1.3, RFC 4291 §2.5–2.7).
 */
export function isAnswerable(bytes: Buffer, headers: Answerable): boolean {
  if (headers.options || headers.odd || (headers.flags & flag.rst) !== 0) return false;
  const source = bytes.subarray(headers.source, headers.source + headers.addressLength);
  const first = source[0]!;
  if (headers.family === 4) return first !== 0 && first !== 127 && first < 224;
  const unspecifiedOrLoopback = source.subarray(0, 15).every((byte) => byte === 0) && source[15]! < 2;
  return first !== 0xff && !unspecifiedOrLoopback;
}

type Answerable = Pick<Headers, 'options' | 'odd' | 'flags' | 'source' | 'addressLength' | 'family'>;

/** Is this the answer to that packet: a RST or a port unreachable with everything in its place? What is wrong, if not. */
export function refusalProblem(seen: Sighting): string | undefined {
  const { sent, got, gotSize, headers } = seen;
  const { l3, family, protocol } = headers;
  const header = HEADER[family];
  const wanted = l3 + header + (protocol === TCP ? 20 : 8 + QUOTED[family]);
  if (gotSize !== wanted) return `refusal has ${gotSize} bytes, not ${wanted}`;
  if (!macsSwapped(seen)) return 'the Ethernet addresses are not swapped';
  if (sent.compare(got, 12, l3, 12, l3) !== 0) return 'the VLAN tags or the ethertype are others';
  return (
    ipProblem(seen, protocol) ?? (protocol === TCP ? resetProblem(seen) : quoteProblem(seen, UNREACHABLE[family], 0))
  );
}

function ipProblem({ sent, got, gotSize, headers }: Sighting, protocol: number): string | undefined {
  const { l3, family, source, destination, addressLength } = headers;
  const four = family === 4;
  const length = gotSize - l3 - (four ? 0 : 40);
  const carried = protocol === TCP ? TCP : four ? ICMP : ICMPV6;
  if (got[l3] !== (four ? 0x45 : 0x60)) return 'IP version or header length';
  if (word(got, l3 + (four ? 2 : 4)) !== length) return 'IP length';
  if (got[l3 + (four ? 9 : 6)] !== carried) return 'IP protocol';
  if (got[l3 + (four ? 8 : 7)]! < 32) return 'TTL or hop limit is too low to reach the sender';
  if (four && (word(got, l3 + 6) & 0x3fff) !== 0) return 'is a fragment';
  if (four && onesSum(got, l3, l3 + 20) !== 0xffff) return 'IPv4 checksum';
  const back = (from: number, to: number) =>
    got.compare(sent, from, from + addressLength, to, to + addressLength) === 0;
  return back(destination, source) && back(source, destination) ? undefined : 'IP addresses are not swapped';
}

/** RFC 9293 §3.5.2, group 1. */
function resetProblem({ sent, got, gotSize, headers }: Sighting): string | undefined {
  const { l3, l4, family, flags } = headers;
  const at = l3 + HEADER[family];
  if (word(got, at) !== word(sent, l4 + 2) || word(got, at + 2) !== word(sent, l4)) return 'ports are not swapped';
  const acknowledges = (flags & flag.ack) !== 0;
  const data = headers.length - (l4 - l3) - (sent[l4 + 12]! >> 4) * 4;
  const counted = data + ((flags & flag.syn) !== 0 ? 1 : 0) + ((flags & flag.fin) !== 0 ? 1 : 0);
  const sequence = acknowledges ? sent.readUInt32BE(l4 + 8) : 0;
  const acknowledged = acknowledges ? 0 : (sent.readUInt32BE(l4 + 4) + counted) % 2 ** 32;
  if (got.readUInt32BE(at + 4) !== sequence) return 'sequence number';
  if (got.readUInt32BE(at + 8) !== acknowledged) return 'acknowledgment number';
  if (got[at + 12] !== 0x50) return 'TCP header length';
  if (got[at + 13] !== (acknowledges ? flag.rst : flag.rst | flag.ack)) return 'TCP flags';
  return sumProblem(got, gotSize, at, pseudoSum(got, headers, TCP, 20));
}

/** Is this the answer to a packet of which only so many bytes would have fit (RFC 1191, RFC 4443 §3.2)? What is wrong, if not. */
export function tooBigAnswerProblem(seen: Sighting, mtu: number): string | undefined {
  const { sent, got, gotSize, headers } = seen;
  const { l3, family } = headers;
  const wanted = l3 + HEADER[family] + 8 + QUOTED[family];
  // A first fragment may be told, as long as nothing is between its headers.
  const odd = headers.odd && family === 6;
  if (!isAnswerable(sent, { ...headers, family, odd, flags: 0 })) return 'must not be answered';
  if (gotSize !== wanted) return `the answer has ${gotSize} bytes, not ${wanted}`;
  if (!macsSwapped(seen)) return 'the Ethernet addresses are not swapped';
  if (sent.compare(got, 12, l3, 12, l3) !== 0) return 'the VLAN tags or the ethertype are others';
  return ipProblem(seen, ICMP) ?? quoteProblem(seen, TOO_BIG[family], mtu);
}

/** @param mtu what stands in the second half of the ICMP header */
function quoteProblem(
  { sent, got, gotSize, headers }: Sighting,
  [type, code]: readonly [number, number],
  mtu: number,
): string | undefined {
  const { l3, family } = headers;
  const at = l3 + HEADER[family];
  if (got[at] !== type || got[at + 1] !== code) return 'ICMP type or code';
  if (got.readUInt32BE(at + 4) !== mtu) return 'the second word of the ICMP header';
  if (got.compare(sent, l3, l3 + QUOTED[family], at + 8, gotSize) !== 0) return 'quotes another packet';
  const covered = family === 4 ? 0 : pseudoSum(got, headers, ICMPV6, gotSize - at);
  return sumProblem(got, gotSize, at, covered);
}

function pseudoSum(got: Buffer, headers: Headers, protocol: number, length: number): number {
  return onesSum(got, headers.source, headers.source + 2 * headers.addressLength, protocol + length);
}

function sumProblem(got: Buffer, size: number, at: number, pseudo: number): string | undefined {
  return onesSum(got, at, size, pseudo) === 0xffff ? undefined : 'transport checksum';
}
