import type { Clock } from '../../../ts/health/clock.js';

/** A clock that stands still until the test moves it. */
export class HandClock implements Clock {
  #now = 1_000_000;
  readonly #due = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const entry = { at: this.#now + ms, callback };
    this.#due.add(entry);
    return () => this.#due.delete(entry);
  }

  /** No jitter, so that a test can say when the next check is. */
  random(): number {
    return 0.5;
  }

  get waiting(): number {
    return this.#due.size;
  }

  /** Moves on, calling back whatever becomes due in its order, and lets all promises that follow from it settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#due.delete(next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
    await settled();
  }
}

export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
