import { VipdError } from '../../util/errors.js';

/** Digits of a length; more are no RecordIO. */
const MAX_DIGITS = 12;

export interface RecordIoOptions {
  /** Longest record that is accepted, bytes. */
  readonly maxBytes: number;
}

/**
 * Records of a stream that arrives in arbitrary pieces: each is its length in decimal ASCII, a line feed, and so many
 * bytes (Mesos, "Scheduler HTTP API", RecordIO response format).
 */
export class RecordIoDecoder {
  readonly #options: RecordIoOptions;
  /** The length line so far. */
  #digits = '';
  /** Pieces of the record under way, and how much of it is still to come; undefined while its length is. */
  #pieces: Uint8Array[] = [];
  #missing: number | undefined;

  constructor(options: RecordIoOptions) {
    this.#options = options;
  }

  /** The records that end in this piece. @throws VipdError RECORD_INVALID | RECORD_TOO_LARGE */
  push(piece: Uint8Array): readonly Uint8Array[] {
    const records: Uint8Array[] = [];
    for (let at = 0; at < piece.length; ) {
      at = this.#missing === undefined ? this.#readLength(piece, at) : this.#readBody(piece, at);
      if (this.#missing === 0) records.push(this.#finish());
    }
    return records;
  }

  #readLength(piece: Uint8Array, from: number): number {
    const end = piece.indexOf(0x0a, from);
    const to = end < 0 ? piece.length : end;
    if (this.#digits.length + to - from > MAX_DIGITS) throw this.#invalid('its length line is too long');
    this.#digits += Buffer.from(piece.buffer, piece.byteOffset + from, to - from).toString('latin1');
    if (end < 0 && /^\d*$/.test(this.#digits)) return to;
    if (!/^\d+$/.test(this.#digits)) throw this.#invalid(`its length is ${JSON.stringify(this.#digits)}`);
    this.#missing = Number(this.#digits);
    this.#digits = '';
    const { maxBytes } = this.#options;
    if (this.#missing <= maxBytes) return end + 1;
    const cause = `is ${this.#missing} bytes long, at most ${maxBytes} are taken`;
    throw new VipdError({ code: 'RECORD_TOO_LARGE', object: 'record', cause });
  }

  #readBody(piece: Uint8Array, from: number): number {
    const to = Math.min(piece.length, from + this.#missing!);
    this.#pieces.push(piece.subarray(from, to));
    this.#missing! -= to - from;
    return to;
  }

  #finish(): Uint8Array {
    const [only] = this.#pieces;
    const record = this.#pieces.length === 1 ? only! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#missing = undefined;
    return record;
  }

  #invalid(cause: string): VipdError {
    return new VipdError({ code: 'RECORD_INVALID', object: 'record', cause: `is no RecordIO: ${cause}` });
  }
}

/** One record as it goes over the wire. */
export function encodeRecord(record: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${record.length}\n`), record]);
}
