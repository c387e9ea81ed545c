import { faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';

/** What has to be undone at the end, in reverse order. One that fails does not keep the others from being undone. */
export class Closers {
  readonly #closers: { readonly name: string; readonly close: () => unknown }[] = [];

  constructor(private readonly logger: Logger) {}

  add(name: string, close: () => unknown): void {
    this.#closers.push({ name, close });
  }

  async close(): Promise<void> {
    for (let last = this.#closers.pop(); last !== undefined; last = this.#closers.pop()) {
      try {
        await last.close();
      } catch (error) {
        this.logger.warn({ fault: faultOf(error, last.name) }, 'closing failed');
      }
    }
  }
}
