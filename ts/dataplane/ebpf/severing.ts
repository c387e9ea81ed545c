import { type BackendKey, backendKey, type VipKey } from '../../model/service.js';
import type { Fault } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import { Wakeup } from '../../util/wakeup.js';
import type { HeldBackend } from './held.js';
import type { Given } from './origins.js';
import type { Swept } from './sweep.js';

export interface SeveringOptions {
  /** Between a backend's removal and the end of the sockets it had, milliseconds. */
  readonly delayMs: number;
}

export interface SeveringModules {
  /** Looks through the machine and destroys what it finds, see `sweep`. */
  readonly look: (
    among: readonly Given[] | undefined,
    lost: (given: Given) => boolean,
    signal: AbortSignal,
  ) => Promise<Swept>;
  /** Whether the VIP has this backend now, taking new connections or not. */
  readonly has: (vip: VipKey, backend: BackendKey) => boolean;
  /** Whether any connection was given to a backend that is gone; true when nobody can tell. */
  readonly used: (gone: HeldBackend) => boolean;
  readonly onSevered: (severed: Swept['severed'][number]) => void;
  readonly logger?: Logger | undefined;
}

/** A socket that was just being given the backend when it was removed has connected by then, and can be found. */
const GRACE_MS = 20;
/** Sockets that come and go while the kernel lists them may hide others: one looks again after every find. */
const LOOKS_MAX = 3;
/** Rest after a look, in times of what it took: where there are very many namespaces and sockets it takes seconds. */
const REST = 1;
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

interface Waiting {
  readonly gone: HeldBackend;
  readonly given: Given;
  /** By the clock of `performance.now()`. */
  readonly due: number;
}

/**
 * Ends the connected sockets of backends that are gone, so that their owners notice and connect anew instead of talking
 * to nobody. Those of a backend that drains, or that comes back in time, are left alone.
 */
export class Severing {
  readonly #waiting = new Map<string, Waiting>();
  readonly #wakeup = new Wakeup();
  readonly #ending = new AbortController();
  readonly #complained = new Set<string>();
  #everythingDue = Number.POSITIVE_INFINITY;
  #restsUntil = 0;
  #running: Promise<void> | undefined;

  constructor(
    readonly options: SeveringOptions,
    readonly modules: SeveringModules,
  ) {}

  /** Begins with whatever an earlier process removed and did not come to sever. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#everythingDue = this.#dueFromNow();
    this.#running = this.#run(this.#ending.signal);
  }

  /** These backends do not exist any more. */
  gone(backends: readonly HeldBackend[]): void {
    if (backends.length === 0) return;
    const due = this.#dueFromNow();
    for (const gone of backends) {
      const given = { protocol: gone.vip.frontend.protocol, vip: gone.vip.key, backend: gone };
      this.#waiting.set(keyOf(given), { gone, given, due });
    }
    this.#wakeup.poke();
  }

  /** Resolves when nothing is looked for any more. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  #dueFromNow(): number {
    return performance.now() + Math.max(GRACE_MS, this.options.delayMs);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wait = this.#next() - performance.now();
      if (wait <= 0) await this.#look(signal);
      else await this.#wakeup.sleep(Math.min(Math.ceil(wait), LONGEST_SLEEP_MS), signal);
    }
  }

  #next(): number {
    const first = [...this.#waiting.values()].reduce((least, { due }) => Math.min(least, due), this.#everythingDue);
    return Math.max(first, this.#restsUntil);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const among = this.#takeDue(start);
    if (among?.length === 0) return;
    const lost = (given: Given) => !this.#has(given) && !this.#waiting.has(keyOf(given));
    for (let look = 0; look < LOOKS_MAX; look++) {
      const swept = await this.modules.look(among, lost, signal);
      for (const one of swept.severed) this.modules.onSevered(one);
      for (const fault of swept.faults) this.#complain(fault);
      if (swept.severed.length === 0) break;
    }
    const end = performance.now();
    this.#restsUntil = end + REST * (end - start);
  }

  /** What is to be looked for now; undefined is everything. */
  #takeDue(now: number): readonly Given[] | undefined {
    const due = [...this.#waiting].filter(([, waiting]) => waiting.due <= now);
    for (const [key] of due) this.#waiting.delete(key);
    if (this.#everythingDue <= now) {
      this.#everythingDue = Number.POSITIVE_INFINITY;
      return undefined;
    }
    const sought = due.filter(([, { gone, given }]) => !this.#has(given) && this.modules.used(gone));
    return sought.map(([, { given }]) => given);
  }

  #has({ vip, backend }: Given): boolean {
    return this.modules.has(vip, backendKey(backend));
  }

  /** Once of each kind: it would be the same every time. */
  #complain(fault: Fault): void {
    if (this.#complained.has(fault.code)) return;
    this.#complained.add(fault.code);
    this.modules.logger?.warn({ fault }, 'sockets of removed backends may live on');
  }
}

function keyOf({ vip, backend }: Given): string {
  return `${vip} ${backendKey(backend)}`;
}
