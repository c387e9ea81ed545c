import { formatPrefix, type Prefix } from '../model/address.js';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import type { Machine } from './machine.js';

export interface CoverModules {
  readonly machine: Pick<Machine, 'cover'>;
  readonly logger: Logger;
}

/** Between two looks while passes follow each other, milliseconds. */
const APART_MS = 1_000;

/** Keeps the pools covered while the daemon runs: a network manager that restarts may flush routes it does not know. */
export class Cover {
  #faults: readonly Fault[] = [];
  #looked = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly pools: readonly Prefix[],
    private readonly modules: CoverModules,
  ) {}

  /** Puts back what is gone, if it has not just been looked at. Never throws: what went wrong is in the status. */
  check(): void {
    if (performance.now() - this.#looked < APART_MS) return;
    this.#looked = performance.now();
    const { machine, logger } = this.modules;
    try {
      const made = machine.cover(this.pools).map(formatPrefix);
      if (made.length > 0) logger.warn({ pools: made }, 'unreachable routes were gone and are back');
      this.#faults = [];
    } catch (error) {
      this.#faults = [faultOf(error, 'unreachable routes of the pools')];
    }
  }

  /** As of the last check. */
  faults(): readonly Fault[] {
    return this.#faults;
  }
}
