import type { LabelReport } from '../model/label.js';
import type { DeclaredService } from '../model/service.js';
import type { TaskTable } from '../model/task.js';
import type { Fault } from '../util/errors.js';

/** A source's report: always its whole set. One bad record goes to `faults` and never hides its neighbours. */
export interface Report {
  readonly services: readonly DeclaredService[];
  /** What is wrong with the input now, each fault naming its place. */
  readonly faults: readonly Fault[];
  /** What is known of a cluster manager's tasks. */
  readonly tasks?: TaskTable;
  /** What became of the labels of these tasks. */
  readonly labels?: LabelReport;
  /** How the source fares, one clause for people; absent: as before. */
  readonly note?: string;
  /** The input could not be read at all: `services` is ignored and the last good set stays in force. */
  readonly keepLast?: boolean;
}

/**
 * Where definitions come from. Contract, held by `test/contract/source.ts`: the first report is the full set; every later
 * one is again the full set; an empty set is explicit; after an abort nothing is reported and `run` resolves.
 */
export interface Source {
  readonly name: string;
  /** Its VIPs may be those of other sources as well: each then has the backends of all. Else the later one loses. */
  readonly joins?: boolean;
  run(report: (report: Report) => void, signal: AbortSignal): Promise<void>;
}
