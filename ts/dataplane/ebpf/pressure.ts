import type { Fill } from '../../model/fill.js';
import { type Fault, faultOf } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import type { PlaneEvent, TableFill } from '../dataplane.js';

/** Shares of a table at which an alarm is raised, and cleared again. */
const RAISED = 0.75;
const CLEARED = 0.65;

/** How often tables are looked at, and expired flows taken away: their source ports are free after that. */
const INTERVAL_MS = 5_000;

export interface PressureModules {
  /** Takes away what has expired, and says how full each table is then. */
  readonly look: () => readonly Fill[];
  readonly tell: (event: PlaneEvent) => void;
  readonly logger?: Logger | undefined;
}

/** Looks how full tables of the kernel are, and raises an alarm before one of them is. */
export class Pressure {
  #tables: readonly TableFill[] = [];
  #timer: NodeJS.Timeout | undefined;
  #fault: Fault | undefined;

  constructor(readonly modules: PressureModules) {}

  /** As of the last look. */
  get tables(): readonly TableFill[] {
    return this.#tables;
  }

  /** Looks now, and again and again. */
  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    try {
      const before = this.#tables;
      this.#tables = this.modules.look().map((fill) => ({ ...fill, alarm: isAlarming(fill, before) }));
      for (const table of this.#tables) this.#tellChange(table, before);
      this.#fault = undefined;
    } catch (error) {
      const fault = faultOf(error, 'tables');
      if (fault.cause !== this.#fault?.cause) this.modules.logger?.warn({ fault }, 'not known how full tables are');
      this.#fault = fault;
    }
  }

  #tellChange({ alarm, ...fill }: TableFill, before: readonly TableFill[]): void {
    if (alarm === wasAlarming(fill.table, before)) return;
    const { tell, logger } = this.modules;
    tell({ kind: alarm ? 'table-alarm' : 'table-clear', at: Date.now(), fill });
    if (alarm) logger?.warn(fill, 'a table is three quarters full');
    else logger?.info(fill, 'a table has room again');
  }
}

/** Pure: between both shares it stays what it was, so that one that goes up and down there is told of once. */
function isAlarming({ table, used, limit }: Fill, before: readonly TableFill[]): boolean {
  return used >= limit * (wasAlarming(table, before) ? CLEARED : RAISED);
}

function wasAlarming(table: string, before: readonly TableFill[]): boolean {
  return before.find((one) => one.table === table)?.alarm ?? false;
}
