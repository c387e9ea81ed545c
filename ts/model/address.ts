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

/** No leading zeros: they would be octal to some. */
const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/** The 16 bytes of an address in network order; IPv4 is mapped into ::ffff:0:0/96 (RFC 4291 §2.5.5.2). */
export function addressBytes(address: string): Uint8Array {
  const octets = IPV4.exec(address)?.slice(1).map(Number);
  // A data plane converts hundreds of thousands of these at once; the general way takes ten times as long.
  if (octets?.every((octet) => octet <= 255)) return mapped(octets);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === 'ipv4' ? mapped(parsed.toByteArray()) : Uint8Array.from(parsed.toByteArray());
}

function mapped(octets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.fill(0xff, 10, 12);
  bytes.set(octets, 12);
  return bytes;
}

/** The inverse of {@link addressBytes}. */
export function addressFromBytes(bytes: Uint8Array): string {
  const isMapped = bytes.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff));
  return isMapped ? bytes.subarray(12).join('.') : new ipaddr.IPv6(Array.from(bytes)).toString();
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
