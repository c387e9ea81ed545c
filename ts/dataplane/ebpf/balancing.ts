import type { BpfMap } from '../../libbpf/map.js';
import { type Fault, faultOf } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import { Wakeup } from '../../util/wakeup.js';
import type { HeldBackend, HeldVip } from './held.js';
import { selectable } from './held.js';
import type { Image } from './image.js';
import { leastTable } from './least.js';
import { indexBytes } from './mirror.js';
import { slotsOf, writeTables } from './tables.js';

export interface BalancingModules {
  readonly image: Image;
  readonly tables: BpfMap;
  /** By VIP: how many slots have been taken in turn. */
  readonly turns: BpfMap;
  /** How many connections backends have now, by id; those that are not in it have none. */
  readonly live: (backends: readonly HeldBackend[], signal: AbortSignal) => Promise<ReadonlyMap<number, number>>;
  readonly logger?: Logger | undefined;
}

const INTERVAL_MS = 1_000;
/** Rest after a count, in times of what it took: on a machine with very many sockets it takes long. */
const REST = 2;

/**
 * Lays out the tables of VIPs with `least-connections` anew all the time, by what is connected at that moment. There is no
 * counter that connections would have to be taken off again, and that could miss one.
 */
export class Balancing {
  readonly #wakeup = new Wakeup();
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;
  #fault: Fault | undefined;

  constructor(readonly modules: BalancingModules) {}

  start(): void {
    this.#running ??= this.#run(this.#ending.signal);
  }

  /** Resolves when nothing is counted any more. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const start = performance.now();
      await this.#balance(signal);
      await this.#wakeup.sleep(Math.max(INTERVAL_MS, REST * (performance.now() - start)), signal);
    }
  }

  async #balance(signal: AbortSignal): Promise<void> {
    const { image, live, logger } = this.modules;
    const asking = [...image.vips.values()].filter(isBalanced);
    if (asking.length === 0) return;
    try {
      const counts = await live(asking.flatMap(selectable), signal);
      // While it was counted VIPs may have gone, or have got other backends.
      if (!signal.aborted) this.#write([...image.vips.values()].filter(isBalanced), counts);
      this.#fault = undefined;
    } catch (error) {
      const fault = faultOf(error, 'connections');
      if (fault.cause !== this.#fault?.cause) logger?.warn({ fault }, 'not balanced by connections');
      this.#fault = fault;
    }
  }

  #write(vips: readonly HeldVip[], counts: ReadonlyMap<number, number>): void {
    const laidOut = vips.flatMap((vip) => {
      if (vip.table === undefined) return [];
      const size = slotsOf(vip.table);
      const loaded = selectable(vip).map(({ id, weight }) => ({ id, weight, live: counts.get(id) ?? 0 }));
      const slots = leastTable(loaded, size, this.#nextSlot(vip, size));
      return slots.length === size ? [{ first: vip.table.first, slots }] : [];
    });
    writeTables(this.modules.tables, laidOut);
  }

  #nextSlot({ id }: HeldVip, size: number): number {
    const turns = this.modules.turns.get(indexBytes([id]));
    return turns === undefined ? 0 : Number(turns.readBigUInt64LE() % BigInt(size));
  }
}

export function isBalanced({ policy }: HeldVip): boolean {
  return policy.schedule === 'least-connections';
}
