/** Pauses between attempts, milliseconds: doubled after each failure, with jitter so that many do not come at once. */
export class Backoff {
  #next: number;

  constructor(
    private readonly first: number,
    private readonly longest: number,
    private readonly random: () => number = Math.random,
  ) {
    this.#next = first;
  }

  /** The pause after a failure: between half of what is due and all of it, never under the first. */
  next(): number {
    const due = Math.min(this.longest, this.#next * 2);
    this.#next = due;
    return Math.max(this.first, due * (0.5 + this.random() / 2));
  }

  /** After a success the first pause is due again; returns it. */
  reset(): number {
    this.#next = this.first;
    return this.first;
  }
}
