import dnsPacket from 'dns-packet';
import { headerSize, rrClass } from './codes.js';
import { dataText, type RawData } from './record.js';

/** The data of a record that came from others, for people; in hexadecimal where nobody knows how it is written. */
export function describeRaw(data: RawData): string {
  const raw = Buffer.from(data.raw);
  try {
    // A message with nothing but this record, of the root.
    const message = Buffer.alloc(headerSize + 11 + raw.length);
    message[2] = 0x80;
    message[7] = 1;
    message.writeUInt16BE(data.type, headerSize + 1);
    message.writeUInt16BE(rrClass.IN, headerSize + 3);
    message.writeUInt16BE(raw.length, headerSize + 9);
    message.set(raw, headerSize + 11);
    const answer = dnsPacket.decode(message).answers?.[0] as { data?: unknown } | undefined;
    return valueText(answer?.data) ?? dataText(data);
  } catch {
    return dataText(data);
  }
}

function valueText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return undefined;
  if (Array.isArray(value)) return value.map((one) => JSON.stringify(String(one))).join(' ');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(String).join(' ');
  return undefined;
}
