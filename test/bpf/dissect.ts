import { addressFromBytes } from '../../ts/model/address.js';

/** What a frame says, without its checksums; `problems` names every checksum and length that is wrong. */
export interface Frame {
  readonly macs: { readonly src: string; readonly dst: string };
  /** Ethertype and tag of every VLAN header, in hex. */
  readonly vlans: readonly string[];
  readonly ip: Ip | undefined;
  readonly transport: Transport | undefined;
  /** Behind the headers, in hex. */
  readonly payload: string;
  readonly problems: readonly string[];
}

export interface Ip {
  readonly family: 4 | 6;
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** The header's other fields, in hex: TOS, id, fragment bits and options, or traffic class, flow label, extensions. */
  readonly rest: string;
}

export type Transport =
  | {
      readonly kind: 'tcp';
      readonly sport: number;
      readonly dport: number;
      readonly seq: number;
      readonly ack: number;
      readonly flags: string;
      /** Window, urgent pointer and options, in hex. */
      readonly rest: string;
    }
  | { readonly kind: 'udp'; readonly sport: number; readonly dport: number; readonly summed: boolean }
  | { readonly kind: 'icmp'; readonly type: number; readonly code: number };

/** Reads a whole, unfragmented frame; written apart from the builder, so that one cannot hide an error of the other. */
export function dissect(bytes: Buffer): Frame {
  const problems: string[] = [];
  const macs = { dst: macText(bytes, 0), src: macText(bytes, 6) };
  const vlans: string[] = [];
  let at = 12;
  for (; [0x8100, 0x88a8].includes(bytes.readUInt16BE(at)); at += 4) vlans.push(bytes.toString('hex', at, at + 4));
  const type = bytes.readUInt16BE(at);
  const l3 = bytes.subarray(at + 2);
  if (type !== 0x0800 && type !== 0x86dd) {
    return { macs, vlans, ip: undefined, transport: undefined, payload: l3.toString('hex'), problems };
  }
  const { ip, pseudo, l4 } = type === 0x0800 ? readIpv4(l3, problems) : readIpv6(l3, problems);
  const { transport, payload } = readTransport(ip, pseudo, l4, problems);
  return { macs, vlans, ip, transport, payload: payload.toString('hex'), problems };
}

/** IPv6 hop-by-hop options, routing, the fragment header of a whole packet, destination options. */
const EXTENSIONS = [0, 43, 44, 60];

interface Network {
  readonly ip: Ip;
  /** Addresses, as the transport checksum covers them. */
  readonly pseudo: Buffer;
  readonly l4: Buffer;
}

function readIpv4(l3: Buffer, problems: string[]): Network {
  const header = (l3.readUInt8(0) & 15) * 4;
  const length = l3.readUInt16BE(2);
  if (length !== l3.length) problems.push(`IPv4 says ${length} bytes, the frame has ${l3.length}`);
  checkSum('IPv4', l3.subarray(0, header), l3.readUInt16BE(10), problems);
  const rest = Buffer.concat([l3.subarray(1, 2), l3.subarray(4, 8), l3.subarray(20, header)]).toString('hex');
  const ip: Ip = {
    family: 4,
    src: [...l3.subarray(12, 16)].join('.'),
    dst: [...l3.subarray(16, 20)].join('.'),
    protocol: l3.readUInt8(9),
    ttl: l3.readUInt8(8),
    rest,
  };
  return { ip, pseudo: l3.subarray(12, 20), l4: l3.subarray(header, length) };
}

function readIpv6(l3: Buffer, problems: string[]): Network {
  const length = l3.readUInt16BE(4);
  if (length + 40 !== l3.length) problems.push(`IPv6 says ${length + 40} bytes, the frame has ${l3.length}`);
  let [protocol, at] = [l3.readUInt8(6), 40];
  for (; EXTENSIONS.includes(protocol); at += (l3.readUInt8(at + 1) + 1) * 8) protocol = l3.readUInt8(at);
  const ip: Ip = {
    family: 6,
    src: addressFromBytes(l3.subarray(8, 24)),
    dst: addressFromBytes(l3.subarray(24, 40)),
    protocol,
    ttl: l3.readUInt8(7),
    rest: l3.toString('hex', 0, 4) + l3.toString('hex', 40, at),
  };
  return { ip, pseudo: l3.subarray(8, 40), l4: l3.subarray(at, 40 + length) };
}

function readTransport(ip: Ip, pseudo: Buffer, l4: Buffer, problems: string[]) {
  const covered = Buffer.concat([pseudo, Buffer.from([0, ip.protocol, l4.length >> 8, l4.length & 255]), l4]);
  switch (ip.protocol) {
    case 6:
      checkSum('TCP', covered, l4.readUInt16BE(16), problems);
      return readTcp(l4);
    case 17:
      return readUdp(ip, l4, covered, problems);
    case 1:
    case 58: {
      checkSum('ICMP', ip.protocol === 1 ? l4 : covered, l4.readUInt16BE(2), problems);
      const transport: Transport = { kind: 'icmp', type: l4.readUInt8(0), code: l4.readUInt8(1) };
      return { transport, payload: l4.subarray(8) };
    }
    default:
      return { transport: undefined, payload: l4 };
  }
}

function readTcp(l4: Buffer): { transport: Transport; payload: Buffer } {
  const header = (l4.readUInt8(12) >> 4) * 4;
  const flags = [...'FSRPAU'].filter((_, bit) => l4.readUInt8(13) & (1 << bit)).join('');
  const transport: Transport = {
    kind: 'tcp',
    sport: l4.readUInt16BE(0),
    dport: l4.readUInt16BE(2),
    seq: l4.readUInt32BE(4),
    ack: l4.readUInt32BE(8),
    flags,
    rest: l4.toString('hex', 14, 16) + l4.toString('hex', 18, header),
  };
  return { transport, payload: l4.subarray(header) };
}

function readUdp(ip: Ip, l4: Buffer, covered: Buffer, problems: string[]): { transport: Transport; payload: Buffer } {
  const stored = l4.readUInt16BE(6);
  if (l4.readUInt16BE(4) !== l4.length) problems.push(`UDP says ${l4.readUInt16BE(4)} bytes, IP has ${l4.length}`);
  if (stored === 0 && ip.family === 6) problems.push('UDP without a checksum over IPv6');
  if (stored !== 0 && remainder(covered) !== 0) problems.push(`UDP checksum ${stored.toString(16)} is wrong`);
  const transport: Transport = {
    kind: 'udp',
    sport: l4.readUInt16BE(0),
    dport: l4.readUInt16BE(2),
    summed: stored !== 0,
  };
  return { transport, payload: l4.subarray(8) };
}

/** 0xffff is what no sender computes: it is minus zero, and zero is sent as 0 everywhere but in UDP (RFC 1624 §3). */
function checkSum(what: string, covered: Buffer, stored: number, problems: string[]): void {
  if (remainder(covered) !== 0 || stored === 0xffff) problems.push(`${what} checksum ${stored.toString(16)} is wrong`);
}

/**
 * The bytes as one big number modulo 0xffff. 0x10000 leaves 1, so this is the sum of their 16-bit words in ones'
 * complement: 0 for a message that holds its own right checksum.
 */
function remainder(bytes: Buffer): number {
  let value = 0;
  for (const byte of bytes) value = (value * 256 + byte) % 0xffff;
  return bytes.length % 2 === 0 ? value : (value * 256) % 0xffff;
}

function macText(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 6);
}
