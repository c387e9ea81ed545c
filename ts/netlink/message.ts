import { endianness } from 'node:os';

// Netlink messages and attributes (linux/netlink.h): pure. Numbers are in host byte order except where a type says
// otherwise; everything is aligned to 4 bytes.

export interface Message {
  readonly type: number;
  readonly payload: Buffer;
}

/** Attribute values by type; of a type that repeats, the last. */
export type Attributes = ReadonlyMap<number, Buffer>;

const little = endianness() === 'LE';
const messageHeader = 16;
const attributeHeader = 4;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER say how to read an attribute; they are not part of its type. */
const typeMask = 0x3fff;
const NLA_F_NESTED = 0x8000;

/** Splits what the kernel sent; ends at the first length that does not fit. */
export function parseMessages(bytes: Buffer): Message[] {
  return [...eachMessage(bytes)];
}

/** The same one by one, for answers that are long. */
export function* eachMessage(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + messageHeader <= bytes.length; ) {
    const length = u32(bytes, at);
    if (length < messageHeader || at + length > bytes.length) break;
    yield { type: u16(bytes, at + 4), payload: bytes.subarray(at + messageHeader, at + length) };
    at += aligned(length);
  }
}

/** The attributes behind a fixed header of `offset` bytes; ends at the first length that does not fit. */
export function parseAttributes(bytes: Buffer, offset = 0): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = aligned(offset); at + attributeHeader <= bytes.length; ) {
    const length = u16(bytes, at);
    if (length < attributeHeader || at + length > bytes.length) break;
    attributes.set(u16(bytes, at + 2) & typeMask, bytes.subarray(at + attributeHeader, at + length));
    at += aligned(length);
  }
  return attributes;
}

/** One attribute, padded so that another can follow. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const length = attributeHeader + value.byteLength;
  const bytes = Buffer.alloc(aligned(length));
  write16(bytes, 0, length);
  write16(bytes, 2, type);
  bytes.set(value, attributeHeader);
  return bytes;
}

export function u16Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  write16(bytes, 0, value);
  return bytes;
}

export function u32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (little) bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

export function u16(bytes: Buffer, at = 0): number {
  return little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}

export function u32(bytes: Buffer, at = 0): number {
  return little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

export function u64(bytes: Buffer, at = 0): bigint {
  return little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
}

/** The number in an attribute of 4 bytes; undefined when it is absent or of another length. */
export function numberIn(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value?.length === 4 ? u32(value) : undefined;
}

/** The text in an attribute, without its NUL. */
export function textIn(attributes: Attributes, type: number): string | undefined {
  return attributes.get(type)?.toString('utf8').replace(/\0.*$/s, '');
}

/** An attribute that holds others. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

function write16(bytes: Buffer, at: number, value: number): void {
  if (little) bytes.writeUInt16LE(value, at);
  else bytes.writeUInt16BE(value, at);
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
