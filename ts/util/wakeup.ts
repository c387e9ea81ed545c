/** The sleep of a loop that others can cut short. A poke while the loop works is kept for its next sleep. */
export class Wakeup {
  #poked = false;
  #wake: (() => void) | undefined;

  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** Resolves after `ms` (false), at a poke (true), or at once when the signal aborts (false). */
  async sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#poked && !signal.aborted) await this.#rest(ms, signal);
    const poked = this.#poked;
    this.#poked = false;
    return poked && !signal.aborted;
  }

  #rest(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }
}
