/** A frame in parts: what a sender or a router makes of it, and what its receiver makes of them. */

/** Cuts an untagged IP frame whose payload is larger than `size`, a multiple of 8. IPv6 headers go into every part. */
export function fragment(frame: Buffer, size: number, id: number): Buffer[] {
  const ipv4 = frame.readUInt16BE(12) === 0x0800;
  const headers = frame.subarray(0, 14 + (ipv4 ? frame.readUInt8(14) & 15 : 10) * 4);
  const payload = frame.subarray(headers.length);
  const parts: Buffer[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const more = offset + size < payload.length;
    const part = payload.subarray(offset, offset + size);
    parts.push(ipv4 ? ipv4Part(headers, part, offset, more, id) : ipv6Part(headers, part, offset, more, id));
  }
  return parts;
}

function ipv4Part(headers: Buffer, part: Buffer, offset: number, more: boolean, id: number): Buffer {
  const frame = Buffer.concat([headers, part]);
  const ip = frame.subarray(14, headers.length);
  ip.writeUInt16BE(ip.length + part.length, 2);
  ip.writeUInt16BE(id, 4);
  ip.writeUInt16BE((more ? 0x2000 : 0) | (offset / 8), 6);
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(0xffff - modulo(ip), 10);
  return frame;
}

function ipv6Part(headers: Buffer, part: Buffer, offset: number, more: boolean, id: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(headers.readUInt8(20), 0);
  header.writeUInt16BE(offset | (more ? 1 : 0), 2);
  header.writeUInt32BE(id, 4);
  const frame = Buffer.concat([headers, header, part]);
  frame.writeUInt8(44, 20);
  frame.writeUInt16BE(8 + part.length, 18);
  return frame;
}

/** The frame that parts in any order are of, with the identification of `like`. @throws Error when they do not fit together */
export function reassemble(parts: readonly Buffer[], like: Buffer): Buffer {
  const ipv4 = like.readUInt16BE(12) === 0x0800;
  const length = ipv4 ? 14 + (like.readUInt8(14) & 15) * 4 : 54;
  const read = parts.map((part) => (ipv4 ? readIpv4Part(part, length) : readIpv6Part(part)));
  read.sort((a, b) => a.offset - b.offset);
  const names = new Set(read.map(({ name }) => name));
  const payload = Buffer.concat(read.map(({ payload }) => payload));
  const whole = read.every(({ offset, more }, i) => more === i < read.length - 1 && offset === sum(read.slice(0, i)));
  if (names.size !== 1 || !whole) throw new Error(`parts of ${[...names].join(' and ')} that make no whole`);
  const headers = Buffer.from(parts[0]!.subarray(0, length));
  headers.writeUInt16BE(payload.length + (ipv4 ? length - 14 : 0), ipv4 ? 16 : 18);
  if (!ipv4) headers.writeUInt8(like.readUInt8(20), 20);
  else {
    like.copy(headers, 18, 18, 22);
    headers.writeUInt16BE(0, 24);
    headers.writeUInt16BE(0xffff - modulo(headers.subarray(14)), 24);
  }
  return Buffer.concat([headers, payload]);
}

interface Part {
  /** What all parts must agree on. */
  readonly name: string;
  readonly offset: number;
  readonly more: boolean;
  readonly payload: Buffer;
}

function readIpv4Part(frame: Buffer, length: number): Part {
  const ip = frame.subarray(14, length);
  if (modulo(ip) !== 0xffff) throw new Error(`the IPv4 checksum of a fragment is wrong: ${ip.toString('hex')}`);
  const bits = ip.readUInt16BE(6);
  const name = ip.toString('hex', 4, 6) + ip.toString('hex', 8, 10) + ip.toString('hex', 12);
  return { name, offset: (bits & 0x1fff) * 8, more: (bits & 0x2000) !== 0, payload: frame.subarray(length) };
}

function readIpv6Part(frame: Buffer): Part {
  const bits = frame.readUInt16BE(56);
  const name = frame.toString('hex', 21, 55) + frame.toString('hex', 58, 62);
  return { name, offset: bits & 0xfff8, more: (bits & 1) !== 0, payload: frame.subarray(62) };
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { payload }) => total + payload.length, 0);
}

/** Sum of the 16-bit words in ones' complement; 0xffff for minus zero. */
function modulo(bytes: Buffer): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += bytes.readUInt16BE(i);
  return total === 0 ? 0 : ((total - 1) % 0xffff) + 1;
}
