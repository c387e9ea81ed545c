import { VipdError } from '../util/errors.js';

// Numbers of the DNS: RFC 1035 §3.2, §4.1.1; RFC 3596 (AAAA); RFC 2782 (SRV); RFC 6891 (OPT, BADVERS); RFC 8482 (ANY).

export const rrType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export const rrClass = { IN: 1, ANY: 255 } as const;

export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** Of the 16 bits behind the id. */
export const flag = {
  QR: 0x8000,
  opcode: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
};

export const headerSize = 12;

/** An OPT record without options. */
export const optSize = 11;

/** What a client that says nothing about EDNS can take over UDP, bytes (RFC 1035 §4.2.1). */
export const plainUdpSize = 512;

const typeNames = new Map<number, string>(Object.entries(rrType).map(([name, number]) => [number, name]));
const rcodeNames = new Map<number, string>(Object.entries(rcode).map(([name, number]) => [number, name]));

/** `AAAA`, or `TYPE65` for what has no name here (RFC 3597 §5). */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The inverse of {@link typeName}, in any case; undefined for what is neither. */
export function typeNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  const numbered = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  if (numbered !== undefined) return Number(numbered) < 65_536 ? Number(numbered) : undefined;
  return Object.hasOwn(rrType, upper) ? rrType[upper as keyof typeof rrType] : undefined;
}

/** The same for what a person wrote. @throws VipdError TYPE_INVALID */
export function parseType(name: string): number {
  const number = typeNumber(name);
  if (number !== undefined && number > 0) return number;
  const cause = 'no such type of records';
  throw new VipdError({ code: 'TYPE_INVALID', object: `type ${name}`, cause, hint: 'A, AAAA, SRV … or TYPE65' });
}

export function rcodeName(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`;
}
