import type { NodeId } from '../identity.js';
import type { NatsTiming } from './setup.js';

/**
 * Who was heard of late. Time this process itself was late is given to the others, so that a machine without CPU does not
 * take everybody for dead.
 */
export class Presence {
  /** When each was heard last, milliseconds of a steady clock. */
  readonly #heard = new Map<NodeId, number>();
  #due: number | undefined;

  constructor(
    private readonly timing: NatsTiming,
    private readonly now: () => number = () => performance.now(),
  ) {}

  nodes(): readonly NodeId[] {
    return [...this.#heard.keys()];
  }

  /** Whether that is news. */
  heard(id: NodeId): boolean {
    const news = !this.#heard.has(id);
    this.#heard.set(id, this.now());
    return news;
  }

  /** Whether it was there. */
  gone(id: NodeId): boolean {
    return this.#heard.delete(id);
  }

  /** To be called every beat; whether somebody is gone by it. */
  beat(): boolean {
    const now = this.now();
    const late = Math.max(0, now - (this.#due ?? now));
    this.#due = now + this.timing.beatMs;
    const before = this.#heard.size;
    for (const [id, at] of this.#heard) {
      if (now - at - late > this.timing.deadlineMs) this.#heard.delete(id);
      else if (late > 0) this.#heard.set(id, at + late);
    }
    return this.#heard.size < before;
  }
}
