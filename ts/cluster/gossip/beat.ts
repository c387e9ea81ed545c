import type { Stream, StreamMessageEvent } from '@libp2p/interface';

export interface BeatOptions {
  readonly beatMs: number;
  readonly deadlineMs: number;
}

export interface BeatListener {
  /** After each round trip. */
  alive(rttMs: number): void;
  /** The hash of all the peer holds, at every beat of it. */
  holds(whole: Uint8Array): void;
  gone(reason: string): void;
}

const PING = 0;
const PONG = 1;
/** Kind, sequence, hash. */
const FRAME_BYTES = 10;

/**
 * One long-lived stream between two neighbours: each sends ten bytes a beat and answers those of the other. A peer that
 * is silent past the deadline is gone; the time this process itself was late is added to the deadline, so that a machine
 * without CPU does not take its neighbours for dead.
 */
export class Beat {
  #heard = performance.now();
  #sent = 0;
  #sequence = 0;
  #due: number;
  #ended = false;
  #rest: Uint8Array = new Uint8Array();
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly stream: Stream,
    private readonly options: BeatOptions,
    private readonly whole: () => Uint8Array,
    private readonly listener: BeatListener,
  ) {
    this.#due = performance.now() + options.beatMs;
    stream.addEventListener('message', (event: StreamMessageEvent) => this.#receive(event.data.subarray()));
    stream.addEventListener('close', () => this.end('it closed the connection'));
    stream.addEventListener('remoteCloseWrite', () => this.end('it closed the heartbeat'));
    this.#timer = setInterval(() => this.#tick(), options.beatMs);
    this.#send(PING, this.#sequence);
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.stream.abort(new Error(reason));
    this.listener.gone(reason);
  }

  #tick(): void {
    const now = performance.now();
    const late = Math.max(0, now - this.#due);
    this.#due = now + this.options.beatMs;
    this.#heard += late;
    if (now - this.#heard > this.options.deadlineMs) {
      this.end(`silent for ${((now - this.#heard) / 1000).toFixed(1)} s`);
      return;
    }
    this.#sequence = (this.#sequence + 1) & 0xff;
    this.#send(PING, this.#sequence);
  }

  #receive(bytes: Uint8Array): void {
    this.#heard = performance.now();
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = all.length - (all.length % FRAME_BYTES);
    for (let at = 0; at < whole; at += FRAME_BYTES) this.#frame(all.subarray(at, at + FRAME_BYTES));
    this.#rest = all.slice(whole);
  }

  #frame(frame: Uint8Array): void {
    if (frame[0] === PING) {
      this.#send(PONG, frame[1]!);
      this.listener.holds(frame.slice(2));
    } else if (frame[1] === this.#sequence) this.listener.alive(this.#heard - this.#sent);
  }

  #send(kind: number, sequence: number): void {
    if (this.#ended) return;
    if (kind === PING) this.#sent = performance.now();
    try {
      this.stream.send(Uint8Array.of(kind, sequence, ...this.whole()));
    } catch {
      this.end('its connection is broken');
    }
  }
}
