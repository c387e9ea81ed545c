import type { EventsPort } from '../api/ports.js';
import type { Event } from '../api/routes/traffic.js';

/** The newest events, and whoever wants to hear of new ones. */
export class Journal implements EventsPort {
  readonly #events: Event[] = [];
  readonly #listeners = new Set<(event: Event) => void>();

  constructor(private readonly options: { readonly capacity: number }) {}

  add(event: Event): void {
    this.#events.push(event);
    // Cutting half of twice the room at once costs less than shifting at every event.
    if (this.#events.length >= 2 * this.options.capacity) this.#events.splice(0, this.options.capacity);
    for (const listener of this.#listeners) listener(event);
  }

  recent(): readonly Event[] {
    return this.#events.slice(-this.options.capacity);
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
