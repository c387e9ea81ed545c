/** What a frame is to a balancer; all but `flow`, `later` fragments and `icmp` are to be left as they are. */
export type FrameClass =
  | 'flow'
  | 'later'
  | 'fragment'
  | 'extended'
  | 'icmp'
  | 'other'
  | 'short'
  | 'contradiction'
  | 'group'
  | 'mapped';

export const TCP = 6;
export const UDP = 17;
const [ICMP, ICMPV6] = [1, 58];
const [ROUTING, FRAGMENT] = [43, 44];
const EXTENSIONS = new Set([0, ROUTING, FRAGMENT, 60]);
/** Extension headers that are read past. */
const EXTENSIONS_MAX = 8;
const TAGS = new Set([0x8100, 0x88a8]);

/** Bytes of an IP header without options, and what it says when another one of its family is behind it (RFC 2003, RFC 2473). */
export const HEADER = { 4: 20, 6: 40 } as const;
export const ENCAPSULATED = { 4: 4, 6: 41 } as const;

export const flag = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

/**
 * Where the headers of a frame are and what they say: a reading of the standards, apart from that of bpf/packet.h.
 * One object reads many frames, for there are millions.
 */
export class Headers {
  kind: FrameClass = 'short';
  /** Offsets from the start of the frame. */
  l3 = 0;
  l4 = 0;
  source = 0;
  destination = 0;
  /** Bytes of an address: 4 or 16. */
  addressLength = 0;
  protocol = 0;
  /** IP header and payload, as the IP header says. */
  length = 0;
  flags = 0;
  /** IPv4 with options. */
  options = false;
  /** A fragment, or behind IPv6 extension headers. */
  odd = false;
  /** Fragments follow. */
  more = false;

  get family(): 4 | 6 {
    return this.addressLength === 4 ? 4 : 6;
  }

  /** Of the checksum of the transport header. */
  get checksum(): number {
    return this.l4 + (this.protocol === TCP ? 16 : 6);
  }

  /** Reads the first `size` bytes. */
  read(bytes: Buffer, size: number): void {
    this.flags = 0;
    this.kind = this.#link(bytes, size);
  }

  /** Reads a packet that an ICMP error quotes: of its transport header only the ports must be there. */
  readQuote(bytes: Buffer, size: number, l3: number): void {
    this.l3 = l3;
    this.kind = bytes[l3]! >> 4 === 4 ? this.#ipv4(bytes, size, true) : this.#ipv6(bytes, size, true);
  }

  #link(bytes: Buffer, size: number): FrameClass {
    if (size < 14) return 'short';
    if ((bytes[0]! & 1) !== 0) return 'group';
    let type = word(bytes, 12);
    this.l3 = 14;
    for (let tags = 0; tags < 2 && TAGS.has(type); tags++) {
      if (size < this.l3 + 4) return 'short';
      type = word(bytes, this.l3 + 2);
      this.l3 += 4;
    }
    if (type === 0x0800) return this.#ipv4(bytes, size);
    return type === 0x86dd ? this.#ipv6(bytes, size) : 'other';
  }

  #ipv4(bytes: Buffer, size: number, quoted = false): FrameClass {
    const { l3 } = this;
    if (size < l3 + 20) return 'short';
    const header = (bytes[l3]! & 15) * 4;
    this.length = word(bytes, l3 + 2);
    if (bytes[l3]! >> 4 !== 4 || header < 20 || this.length < header) return 'contradiction';
    this.options = header > 20;
    this.source = l3 + 12;
    this.destination = l3 + 16;
    this.addressLength = 4;
    this.protocol = bytes[l3 + 9]!;
    this.l4 = l3 + header;
    const fragment = word(bytes, l3 + 6) & 0x3fff;
    this.more = fragment >= 0x2000;
    this.odd = fragment !== 0;
    if ((fragment & 0x1fff) !== 0) return 'later';
    if (this.protocol === ICMP) return this.more ? 'fragment' : 'icmp';
    return this.#transport(bytes, size, this.length - header, quoted);
  }

  #ipv6(bytes: Buffer, size: number, quoted = false): FrameClass {
    const { l3 } = this;
    if (size < l3 + 40) return 'short';
    if (bytes[l3]! >> 4 !== 6) return 'contradiction';
    const payload = word(bytes, l3 + 4);
    this.length = 40 + payload;
    this.options = false;
    this.source = l3 + 8;
    this.destination = l3 + 24;
    this.addressLength = 16;
    this.protocol = bytes[l3 + 6]!;
    this.l4 = l3 + 40;
    this.more = false;
    if (isMapped(bytes, this.source) || isMapped(bytes, this.destination)) return 'mapped';
    this.odd = EXTENSIONS.has(this.protocol);
    const stop = this.#extensions(bytes, size);
    if (stop !== undefined) return stop;
    if (this.protocol === ICMPV6) return this.more ? 'fragment' : 'icmp';
    return this.#transport(bytes, size, l3 + this.length - this.l4, quoted);
  }

  /** Goes past IPv6 extension headers (RFC 8200 §4); what the packet is when there is nothing to be read behind them. */
  #extensions(bytes: Buffer, size: number): FrameClass | undefined {
    let fragmented = false;
    for (let count = 0; EXTENSIONS.has(this.protocol); count++) {
      const { l4: at, protocol } = this;
      const length = protocol === FRAGMENT ? 8 : ((bytes[at + 1] ?? 0) + 1) * 8;
      if (count === EXTENSIONS_MAX || size < at + 8 || at + length > this.l3 + this.length) return 'extended';
      if (protocol === ROUTING && bytes[at + 3] !== 0) return 'extended';
      this.protocol = bytes[at]!;
      this.l4 += length;
      if (protocol !== FRAGMENT) continue;
      if (fragmented) return 'fragment';
      fragmented = true;
      this.more = (bytes[at + 3]! & 1) !== 0;
      if ((word(bytes, at + 2) & 0xfff8) !== 0) return 'later';
    }
    return undefined;
  }

  #transport(bytes: Buffer, size: number, payload: number, quoted: boolean): FrameClass {
    const { l4, protocol } = this;
    if (protocol !== TCP && protocol !== UDP) return 'other';
    const least = protocol === TCP && !quoted ? 20 : 8;
    if (size < l4 + least) return 'short';
    if (quoted) return 'flow';
    const header = protocol === TCP ? (bytes[l4 + 12]! >> 4) * 4 : least;
    if (header < least || (this.more ? least : header) > payload) return 'contradiction';
    if (protocol === TCP) this.flags = bytes[l4 + 13]!;
    return 'flow';
  }
}

/** An IPv4 address in an IPv6 header: sockets have them, packets must not (RFC 4291 §2.5.5.2). */
function isMapped(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

/** Sixteen bits in network order. */
export function word(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
