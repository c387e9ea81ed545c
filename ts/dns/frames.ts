/** Messages over TCP, each behind its length in two bytes (RFC 1035 §4.2.2), put together again from pieces. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  /** @param largest a message that says it is longer ends the stream of messages: see {@link broken} */
  constructor(private readonly largest: number) {}

  /** The stream cannot be followed any more. */
  broken = false;

  /** Bytes that wait for the rest of their message. */
  get waiting(): number {
    return this.#rest.length;
  }

  /** The messages that are complete now; they are views and hold as long as nobody writes to the piece. */
  push(piece: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const messages: Buffer[] = [];
    let at = 0;
    while (!this.broken && at + 2 <= bytes.length) {
      const length = bytes.readUInt16BE(at);
      if (length > this.largest) this.broken = true;
      if (this.broken || at + 2 + length > bytes.length) break;
      messages.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    this.#rest = bytes.subarray(at);
    return messages;
  }
}

export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, 2);
  return frame;
}
