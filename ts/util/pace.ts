/** After what came alone, milliseconds: the rest of a burst comes within it. */
const SHORTEST_MS = 5;

/**
 * When to act on news, so that a stream of them is taken in batches: at once on what comes alone, and with a pause that
 * doubles from one to the next as long as they do not end, up to the longest.
 */
export class Pace {
  #last = Number.NEGATIVE_INFINITY;
  #pause = 0;

  /** @param longest milliseconds; what comes so long after a pause is alone again */
  constructor(private readonly longest: number) {}

  /** How long what has come now is to wait, and be joined by what comes until then. */
  wait(now = performance.now()): number {
    return Math.max(0, this.#last + this.#pause - now);
  }

  acted(now = performance.now()): void {
    const alone = now - this.#last > this.#pause + this.longest;
    this.#pause = alone ? SHORTEST_MS : Math.min(this.longest, this.#pause * 2);
    this.#last = now;
  }
}
