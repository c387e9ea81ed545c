/** Starts jobs in the order they came, so many at a time and no more. */
export class BoundedQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => Promise<void>>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The job must not reject. */
  add(job: () => Promise<void>): void {
    this.#waiting.add(job);
    this.#next();
  }

  /** Takes back a job that has not started. */
  cancel(job: () => Promise<void>): void {
    this.#waiting.delete(job);
  }

  #next(): void {
    for (const job of this.#waiting) {
      if (this.#running >= this.#limit) return;
      this.#waiting.delete(job);
      this.#running++;
      void job().finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }
}
