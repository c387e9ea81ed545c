import type { Fault } from '../../util/errors.js';

/** Told at a time: an attacker that is somebody else every time must not fill the memory with its names. */
const MOST = 32;

/** Faults that peers cause: each is taken back when it has not come again for a while. */
export class Complaints {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** @param tell undefined takes the fault back */
  constructor(
    private readonly tell: (about: string, fault: Fault | undefined) => void,
    private readonly lastMs = 300_000,
  ) {}

  about(about: string, fault: Fault): void {
    const before = this.#timers.get(about);
    if (!before && this.#timers.size >= MOST) return;
    clearTimeout(before);
    this.#timers.set(about, setTimeout(() => this.over(about), this.lastMs).unref());
    if (!before) this.tell(about, fault);
  }

  over(about: string): void {
    const timer = this.#timers.get(about);
    if (!timer) return;
    clearTimeout(timer);
    this.#timers.delete(about);
    this.tell(about, undefined);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
