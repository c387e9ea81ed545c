import { addressBytes, familyOf } from '../../ts/model/address.js';

/** Fields of a header that a test says; the others have ordinary values. */
export interface Ipv4Fields {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Padded to four bytes. */
  readonly options?: readonly number[];
  /** Fragment offset in units of 8 bytes. */
  readonly offset?: number;
  readonly more?: boolean;
  /** Do not fragment. */
  readonly whole?: boolean;
  /** Stands in the header in place of the true one. */
  readonly totalLength?: number;
}

export interface Ipv6Fields {
  readonly src: string;
  readonly dst: string;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly payloadLength?: number;
}

export interface TcpFields {
  readonly sport: number;
  readonly dport: number;
  /** Of `FSRPAU`. */
  readonly flags: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly options?: readonly number[];
}

export interface UdpFields {
  readonly sport: number;
  readonly dport: number;
  /** `none`: the sender computed none (RFC 768); a number stands there as it is. */
  readonly checksum?: 'none' | number;
}

const ETHERTYPE = { vlan: 0x8100, qinq: 0x88a8, ipv4: 0x0800, ipv6: 0x86dd, arp: 0x0806 } as const;
const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  ipip: 4,
  ipv6: 41,
  icmpv6: 58,
  options: 60,
} as const;
const TCP_FLAGS = 'FSRPAU';

/** Addresses of the IP header that a transport checksum covers. */
interface Ends {
  readonly src: string;
  readonly dst: string;
}

/** One header: how the one before announces it, and its bytes given what follows. */
interface Layer {
  readonly code: number;
  readonly ends?: Ends;
  write(inner: Buffer, next: number, ends: Ends): Buffer;
}

/**
 * A frame, header by header from the outside: `packet().eth().vlan(5).ipv4({ src, dst }).tcp({ … }).payload(10)`.
 * Immutable: every call answers a longer packet. Lengths, protocol numbers and checksums follow from the whole.
 */
export class PacketBuilder {
  readonly #layers: readonly Layer[];
  readonly #minimum: number;

  constructor(layers: readonly Layer[] = [], minimum = 0) {
    this.#layers = layers;
    this.#minimum = minimum;
  }

  eth(macs: { src?: string; dst?: string } = {}): PacketBuilder {
    const addresses = [macs.dst ?? '02:00:00:00:00:02', macs.src ?? '02:00:00:00:00:01'].map(macBytes);
    return this.#with(0, (inner, next) => Buffer.concat([...addresses, u16(next), inner]));
  }

  /** An 802.1Q tag, or with `qinq` an 802.1ad one. */
  vlan(id: number, kind: 'vlan' | 'qinq' = 'vlan'): PacketBuilder {
    return this.#with(ETHERTYPE[kind], (inner, next) => Buffer.concat([u16(id), u16(next), inner]));
  }

  ipv4(fields: Ipv4Fields): PacketBuilder {
    return this.#with(ETHERTYPE.ipv4, (inner, next) => ipv4Bytes(fields, inner, next), fields);
  }

  ipv6(fields: Ipv6Fields): PacketBuilder {
    return this.#with(ETHERTYPE.ipv6, (inner, next) => ipv6Bytes(fields, inner, next), fields);
  }

  /** The IP header of whichever family the addresses are. */
  ip(fields: Ends): PacketBuilder {
    return familyOf(fields.dst) === 4 ? this.ipv4(fields) : this.ipv6(fields);
  }

  /**
   * An IPv6 extension header: `content` behind its length, padded to a whole of 8 bytes. Unless said that is a PadN
   * option, and for a routing header type 4 with no segments left.
   */
  extension(kind: 'hopByHop' | 'routing' | 'options', content?: readonly number[]): PacketBuilder {
    const bytes = content ?? (kind === 'routing' ? [4, 0] : [1, 4]);
    const units = Math.ceil((bytes.length + 2) / 8);
    return this.#with(PROTOCOL[kind], (inner, next) => {
      const header = Buffer.alloc(units * 8);
      header.set([next, units - 1, ...bytes]);
      return Buffer.concat([header, inner]);
    });
  }

  /** An IPv6 fragment header; `offset` in units of 8 bytes. */
  fragment(offset: number, more: boolean): PacketBuilder {
    return this.#with(PROTOCOL.fragment, (inner, next) => {
      return Buffer.concat([Buffer.from([next, 0]), u16((offset << 3) | (more ? 1 : 0)), u32(0x1234), inner]);
    });
  }

  tcp(fields: TcpFields): PacketBuilder {
    return this.#with(PROTOCOL.tcp, (inner, _, ends) => tcpBytes(fields, inner, ends));
  }

  udp(fields: UdpFields): PacketBuilder {
    return this.#with(PROTOCOL.udp, (inner, _, ends) => udpBytes(fields, inner, ends));
  }

  /** `rest` is the word behind the checksum: identifier and sequence number, or an MTU. */
  icmp(type: number, code = 0, rest = 0x00010001): PacketBuilder {
    return this.#with(PROTOCOL.icmp, (inner) => {
      const bytes = Buffer.concat([Buffer.from([type, code, 0, 0]), u32(rest), inner]);
      bytes.writeUInt16BE(checksum(bytes), 2);
      return bytes;
    });
  }

  icmpv6(type: number, code = 0, rest = 0x00010001): PacketBuilder {
    return this.#with(PROTOCOL.icmpv6, (inner, _, ends) => {
      const bytes = Buffer.concat([Buffer.from([type, code, 0, 0]), u32(rest), inner]);
      bytes.writeUInt16BE(transportChecksum(bytes, PROTOCOL.icmpv6, ends), 2);
      return bytes;
    });
  }

  /** An ARP request (RFC 826) for an address. */
  arp(target: string): PacketBuilder {
    const body = Buffer.concat([Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]), Buffer.alloc(16), ipBytes(target)]);
    return this.#with(ETHERTYPE.arp, () => body);
  }

  /** So many bytes that count up, or just these; `code` is what the header before calls them, an ethertype or protocol. */
  payload(content: number | Uint8Array, code = 0): PacketBuilder {
    const bytes = typeof content === 'number' ? Buffer.alloc(content).map((_, i) => i) : content;
    return this.#with(code, () => Buffer.from(bytes));
  }

  /** Zeros behind the packet until the frame has so many bytes, as Ethernet pads to 60. */
  padded(minimum: number): PacketBuilder {
    return new PacketBuilder(this.#layers, minimum);
  }

  build(): Buffer {
    let inner: Buffer = Buffer.alloc(0);
    let next = 0;
    for (let i = this.#layers.length - 1; i >= 0; i--) {
      const layer = this.#layers[i]!;
      const ends = this.#layers.slice(0, i).findLast((outer) => outer.ends !== undefined)?.ends;
      inner = layer.write(inner, next, ends ?? { src: '0.0.0.0', dst: '0.0.0.0' });
      next = layer.code;
    }
    return Buffer.concat([inner, Buffer.alloc(Math.max(0, this.#minimum - inner.length))]);
  }

  #with(code: number, write: Layer['write'], ends?: Ends): PacketBuilder {
    const layer = { code, write, ...(ends === undefined ? {} : { ends }) };
    return new PacketBuilder([...this.#layers, layer], this.#minimum);
  }
}

export function packet(): PacketBuilder {
  return new PacketBuilder();
}

/** The internet checksum (RFC 1071) of the bytes, with its own field zero. */
function checksum(bytes: Buffer): number {
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  let sum = 0;
  for (let i = 0; i < even.length; i += 2) sum += even.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum ^ 0xffff;
}

function ipv4Bytes(fields: Ipv4Fields, inner: Buffer, next: number): Buffer {
  const options = fields.options ?? [];
  const header = Buffer.alloc(20 + Math.ceil(options.length / 4) * 4);
  header[0] = 0x40 | (header.length / 4);
  header[1] = fields.tos ?? 0;
  header.writeUInt16BE(fields.totalLength ?? header.length + inner.length, 2);
  header.writeUInt16BE(fields.id ?? 0x4242, 4);
  header.writeUInt16BE((fields.whole ? 0x4000 : 0) | (fields.more ? 0x2000 : 0) | (fields.offset ?? 0), 6);
  header[8] = fields.ttl ?? 63;
  header[9] = next;
  header.set(ipBytes(fields.src), 12);
  header.set(ipBytes(fields.dst), 16);
  header.set(options, 20);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, inner]);
}

function ipv6Bytes(fields: Ipv6Fields, inner: Buffer, next: number): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32BE(0x60000000 + (fields.trafficClass ?? 0) * 0x100000 + (fields.flowLabel ?? 0x54321), 0);
  header.writeUInt16BE(fields.payloadLength ?? inner.length, 4);
  header[6] = next;
  header[7] = fields.hopLimit ?? 63;
  header.set(ipBytes(fields.src), 8);
  header.set(ipBytes(fields.dst), 24);
  return Buffer.concat([header, inner]);
}

function tcpBytes(fields: TcpFields, inner: Buffer, ends: Ends): Buffer {
  const options = fields.options ?? [];
  const header = Buffer.alloc(20 + Math.ceil(options.length / 4) * 4);
  header.writeUInt16BE(fields.sport, 0);
  header.writeUInt16BE(fields.dport, 2);
  header.writeUInt32BE(fields.seq ?? 1000, 4);
  header.writeUInt32BE(fields.ack ?? 0, 8);
  header[12] = (header.length / 4) << 4;
  header[13] = [...fields.flags].reduce((bits, flag) => bits | (1 << TCP_FLAGS.indexOf(flag)), 0);
  header.writeUInt16BE(64240, 14);
  header.set(options, 20);
  const bytes = Buffer.concat([header, inner]);
  bytes.writeUInt16BE(transportChecksum(bytes, PROTOCOL.tcp, ends), 16);
  return bytes;
}

function udpBytes(fields: UdpFields, inner: Buffer, ends: Ends): Buffer {
  const bytes = Buffer.concat([u16(fields.sport), u16(fields.dport), u16(8 + inner.length), u16(0), inner]);
  const computed = () => transportChecksum(bytes, PROTOCOL.udp, ends) || 0xffff;
  bytes.writeUInt16BE(fields.checksum === 'none' ? 0 : (fields.checksum ?? computed()), 6);
  return bytes;
}

function transportChecksum(bytes: Buffer, protocol: number, ends: Ends): number {
  return checksum(Buffer.concat([ipBytes(ends.src), ipBytes(ends.dst), u16(protocol), u16(bytes.length), bytes]));
}

/** 4 or 16 bytes. */
function ipBytes(address: string): Uint8Array {
  return familyOf(address) === 4 ? addressBytes(address).subarray(12) : addressBytes(address);
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
