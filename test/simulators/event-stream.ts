import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendText } from './http.js';
import type { Json } from './world.js';

interface Reader {
  readonly response: ServerResponse;
  readonly types: readonly string[];
  /** Events that it has not taken yet. */
  unsent: number;
}

/** Events that a reader may leave untaken. */
const MAX_UNSENT = 1024;

/** What becomes of events on their way: told as they come, not at all, twice, or in another order. */
export type Disorder = 'none' | 'lost' | 'doubled' | 'shuffled';

/** The stream of `/v2/events`: nothing in it is told again, and no order is promised. */
export class EventStream {
  disorder: Disorder = 'none';
  readonly #readers = new Set<Reader>();
  #waiting: (readonly [type: string, data: string])[] = [];

  get readers(): number {
    return this.#readers.size;
  }

  open(request: IncomingMessage, response: ServerResponse, types: readonly string[]): unknown {
    if (!request.headers.accept?.includes('text/event-stream')) return sendText(response, 405, 'Method Not Allowed');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const reader = { response, types, unsent: 0 };
    this.#readers.add(reader);
    response.once('close', () => this.#readers.delete(reader));
    const attached = { eventType: 'event_stream_attached', remoteAddress: request.socket.remoteAddress };
    return response.write(`event: event_stream_attached\ndata: ${JSON.stringify(attached)}\n\n`);
  }

  tell(type: string, more: Json): void {
    const data = JSON.stringify({ eventType: type, timestamp: new Date().toISOString(), ...more });
    if (this.disorder === 'lost') return;
    this.#waiting.push([type, data]);
    if (this.disorder === 'doubled') this.#waiting.push([type, data]);
    // Of three that are told in another order each has another place: the last one comes first.
    if (this.disorder !== 'shuffled' || this.#waiting.length === 3) this.#send();
  }

  /** An empty line; and what waits for others to be mixed with does not wait for ever. */
  keepAlive(): void {
    this.#send();
    for (const { response } of this.#readers) response.write('\r\n');
  }

  /** As by a Marathon that leads no more. */
  end(): void {
    for (const { response } of this.#readers) response.end();
  }

  /** In the middle of an event. */
  cut(): void {
    for (const { response } of this.#readers) {
      response.write('event: status_update_event\ndata: {"eventType":');
      setTimeout(() => response.destroy(), 20);
    }
  }

  #send(): void {
    const events = this.#waiting.reverse();
    this.#waiting = [];
    for (const [type, data] of events) for (const reader of this.#readers) this.#sendTo(reader, type, data);
  }

  #sendTo(reader: Reader, type: string, data: string): void {
    if (reader.types.length > 0 && !reader.types.includes(type)) return;
    if (reader.unsent >= MAX_UNSENT) {
      reader.response.destroy();
      return;
    }
    reader.unsent += 1;
    reader.response.write(`event: ${type}\ndata: ${data}\n\n`, () => {
      reader.unsent -= 1;
    });
  }
}
