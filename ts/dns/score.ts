/** What a failure counts for, in milliseconds of answering time; it halves every so often. */
const penalty = 1_000;
const worst = 20_000;
const halfLifeMs = 15_000;
/** Of the newest answer in the mean. */
const weight = 0.2;

/** How good a server has been lately: small is good. A bad past fades, so that one that is back is asked again. */
export class Score {
  #meanMs: number | undefined;
  #penalty = 0;
  #since = 0;

  /** Mean answering time, milliseconds; undefined before the first answer. */
  get meanMs(): number | undefined {
    return this.#meanMs;
  }

  succeeded(ms: number, now: number): void {
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + weight * (ms - this.#meanMs);
    this.#decay(now);
    this.#penalty /= 2;
  }

  failed(now: number): void {
    this.#decay(now);
    this.#penalty = Math.min(worst, this.#penalty + penalty);
  }

  value(now: number): number {
    return (this.#meanMs ?? 0) + this.#faded(now);
  }

  #decay(now: number): void {
    this.#penalty = this.#faded(now);
    this.#since = now;
  }

  #faded(now: number): number {
    return this.#penalty * 2 ** (-Math.max(0, now - this.#since) / halfLifeMs);
  }
}

/** The two to ask: the best and the next, now and then another instead, so that all are known. */
export function pickTwo<T>(all: readonly T[], value: (one: T) => number, random: () => number): readonly T[] {
  if (all.length <= 2) return all;
  const [best, ...others] = all.toSorted((a, b) => value(a) - value(b));
  const second = random() < 0.1 ? others[Math.floor(random() * others.length)] : others[0];
  return [best!, second!];
}
