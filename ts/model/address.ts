import ipaddr from 'ipaddr.js';
import { VipdError } from '../util/errors.js';

export type Family = 4 | 6;
export type Protocol = 'tcp' | 'udp';

/** An IP address in canonical text form (RFC 5952 for IPv6; IPv4-mapped IPv6 becomes plain IPv4) and a port 1–65535. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** An address prefix in canonical text form. */
export interface Prefix {
  readonly address: string;
  /** Prefix length in bits: 0–32 for IPv4, 0–128 for IPv6. */
  readonly bits: number;
}

/** Canonical text of an address. @throws VipdError ADDRESS_INVALID */
export function canonicalAddress(text: string): string {
  if (!ipaddr.isValid(text) || (!text.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(text))) {
    throw invalid(text, 'not an IPv4 or IPv6 address');
  }
  return ipaddr.process(text).toString();
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/** The 16 bytes of an address in network order; IPv4 is mapped into ::ffff:0:0/96 (RFC 4291 §2.5.5.2). */
export function addressBytes(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  // A data plane converts hundreds of thousands of these at once; the general way takes twenty times as long.
  if (!readDecimal(address, bytes)) {
    const octets = ipaddr.parse(address).toByteArray();
    bytes.set(octets, 16 - octets.length);
    if (octets.length === 16) return bytes;
  }
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  return bytes;
}

/** Four decimal octets into the last four bytes; false for anything else. No leading zeros: they would be octal to some. */
function readDecimal(text: string, bytes: Uint8Array): boolean {
  let at = 0;
  for (let i = 12; i < 16; i++) {
    const start = at;
    let octet = 0;
    for (let digit = text.charCodeAt(at) - 48; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 48) {
      octet = octet * 10 + digit;
    }
    const length = at - start;
    if (length === 0 || length > 3 || octet > 255 || (length > 1 && text.charCodeAt(start) === 48)) return false;
    bytes[i] = octet;
    if (i < 15 && text.charCodeAt(at++) !== 46) return false;
  }
  return at === text.length;
}

/** The inverse of {@link addressBytes}. */
export function addressFromBytes(bytes: Uint8Array): string {
  if (!isMapped(bytes)) return new ipaddr.IPv6(Array.from(bytes)).toString();
  return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** Parses `10.0.0.1:80` or `[fd00::1]:80`. @throws VipdError ADDRESS_INVALID | PORT_INVALID */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:[\]]+)):(?<port>\d{1,6})$/.exec(text);
  const host = match?.groups?.v6 ?? match?.groups?.v4;
  if (!match || host === undefined) throw invalid(text, 'not ADDRESS:PORT', 'write 10.0.0.1:80 or [fd00::1]:80');
  return { address: canonicalAddress(host), port: checkedPort(Number(match.groups?.port), text) };
}

/** @throws VipdError PORT_INVALID unless 1–65535 */
export function checkedPort(port: number, object: string): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw new VipdError({ code: 'PORT_INVALID', object, cause: `port ${port} is not between 1 and 65535` });
}

export function formatEndpoint(endpoint: Endpoint): string {
  return familyOf(endpoint.address) === 6
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`;
}

/** Parses `11.0.0.0/8`; host bits must be zero. @throws VipdError ADDRESS_INVALID */
export function parsePrefix(text: string): Prefix {
  const [host = '', length, more] = text.split('/');
  const address = canonicalAddress(host);
  const bits = length !== undefined && /^\d{1,3}$/.test(length) ? Number(length) : -1;
  const width = familyOf(address) === 4 ? 32 : 128;
  if (bits < 0 || bits > width || more !== undefined) throw invalid(text, 'not ADDRESS/BITS', 'write 11.0.0.0/8');
  const base = maskedBytes(addressBytes(address), bits + 128 - width);
  if (addressFromBytes(base) !== address) throw invalid(text, 'has bits set behind the prefix');
  return { address, bits };
}

export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.bits}`;
}

export function prefixContains(prefix: Prefix, address: string): boolean {
  if (familyOf(prefix.address) !== familyOf(address)) return false;
  const width = familyOf(address) === 4 ? 96 : 0;
  return addressFromBytes(maskedBytes(addressBytes(address), prefix.bits + width)) === prefix.address;
}

/** The first `bits` of a 16-byte address, the rest zero. */
export function maskedBytes(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, i) => byte & ((0xff00 >> Math.min(8, Math.max(0, bits - i * 8))) & 0xff));
}

function invalid(object: string, cause: string, hint?: string): VipdError {
  return new VipdError({ code: 'ADDRESS_INVALID', object, cause, ...(hint === undefined ? {} : { hint }) });
}
