import { randomWord } from './message.js';

/** How a question to one server ended: the bytes of its answer, or why there is none. `recased`: the letters differ in case. */
export type Outcome = Buffer | 'timeout' | 'unreachable' | 'recased';

/** How long an answer is waited for, milliseconds: after that `late` says how much longer, 0 for no longer. */
export interface Patience {
  readonly waitMs: number;
  readonly late: () => number;
}

interface Waiting {
  readonly question: Buffer;
  readonly done: (outcome: Outcome) => void;
  timer: NodeJS.Timeout;
}

/** Questions that are under way on one socket, by the id each was sent with. */
export class Pending {
  readonly #waiting = new Map<number, Waiting>();

  /** @param settled after each that has ended */
  constructor(private readonly settled: () => void = () => {}) {}

  get size(): number {
    return this.#waiting.size;
  }

  /** Gives a query an id that no other has. @param done is called once, never before this returns. @returns the id */
  add(query: Buffer, questionEnd: number, { waitMs, late }: Patience, done: (outcome: Outcome) => void): number {
    let id = randomWord();
    while (this.#waiting.has(id)) id = randomWord();
    query.writeUInt16BE(id, 0);
    const timer = setTimeout(() => this.#wait(id, late()), waitMs);
    this.#waiting.set(id, { question: query.subarray(0, questionEnd), done, timer });
    return id;
  }

  /** The header and question that a message may be the answer to; undefined when it has no id of any. */
  questionOf(message: Buffer): Buffer | undefined {
    return message.length < 2 ? undefined : this.#waiting.get(message.readUInt16BE(0))?.question;
  }

  settle(id: number, outcome: Outcome): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.done(outcome);
    this.settled();
  }

  settleAll(outcome: Outcome): void {
    for (const id of [...this.#waiting.keys()]) this.settle(id, outcome);
  }

  /** They are never answered. */
  forget(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }

  #wait(id: number, ms: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined && ms > 0) waiting.timer = setTimeout(() => this.settle(id, 'timeout'), ms);
    else this.settle(id, 'timeout');
  }
}
