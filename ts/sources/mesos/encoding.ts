import { VipdError } from '../../util/errors.js';
import { decodeEvent } from './protobuf.js';
import { type MasterEvent, readers } from './wire.js';

export type EncodingName = 'json' | 'protobuf';

/** How the master's stream is asked for and read; both ways come to the same events. */
export interface Encoding {
  readonly contentType: string;
  /** The SUBSCRIBE call. */
  readonly call: string | Uint8Array;
  /** @throws VipdError RECORD_INVALID */
  decode(record: Uint8Array): MasterEvent;
}

export const encodings: Readonly<Record<EncodingName, Encoding>> = {
  json: {
    contentType: 'application/json',
    call: '{"type":"SUBSCRIBE"}',
    decode: (record) => checked(() => JSON.parse(Buffer.from(record).toString())),
  },
  protobuf: {
    contentType: 'application/x-protobuf',
    // Call.type = SUBSCRIBE: field 1, varint 18.
    call: Uint8Array.of(0x08, 0x12),
    decode: (record) => checked(() => decodeEvent(record)),
  },
};

function checked(read: () => unknown): MasterEvent {
  let value: unknown;
  try {
    value = read();
  } catch (error) {
    throw invalid(`cannot be decoded: ${(error as Error).message.slice(0, 200)}`);
  }
  if (readers.event.Check(value)) return value;
  const [problem] = readers.event.Errors(value);
  throw invalid(`is no event: ${problem?.instancePath.slice(1).replaceAll('/', '.') || 'it'} ${problem?.message}`);
}

function invalid(cause: string): VipdError {
  return new VipdError({ code: 'RECORD_INVALID', object: 'event', cause });
}
