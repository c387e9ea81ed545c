import { Compile, Type } from '../../model/typebox.js';
import type { HttpClient } from '../http/client.js';

/** The summary counts tasks and does not list them, so that it stays small. */
const MAX_SUMMARY = 64 * 1024 * 1024;

const Summary = Compile(
  Type.Object({
    frameworks: Type.Array(Type.Object({ id: Type.String(), pid: Type.Optional(Type.String()) })),
  }),
);

/**
 * Where the schedulers listen that still speak libprocess: only the older of the master's two interfaces says so
 * (`/state-summary`). A failure costs no more than their names in DNS, and the next news of a framework has it tried again.
 */
export class Schedulers {
  #asking = false;
  #again = false;

  /**
   * @param api the leader's, of which only the origin is used
   * @param found told the PIDs, by the id of their framework
   */
  constructor(
    private readonly http: HttpClient,
    private readonly api: string,
    private readonly signal: AbortSignal,
    private readonly found: (pids: ReadonlyMap<string, string>) => void,
  ) {}

  /** Asks, once more if it is told so while an answer is under way. */
  async ask(): Promise<void> {
    this.#again = true;
    if (this.#asking) return;
    this.#asking = true;
    while (this.#again && !this.signal.aborted) {
      this.#again = false;
      const pids = await this.#read().catch(() => undefined);
      if (pids !== undefined && !this.signal.aborted) this.found(pids);
    }
    this.#asking = false;
  }

  async #read(): Promise<ReadonlyMap<string, string> | undefined> {
    const url = new URL('/state-summary', this.api).href;
    const body = await this.http.read(url, { maxBytes: MAX_SUMMARY }, this.signal);
    const summary: unknown = JSON.parse(body.toString());
    if (!Summary.Check(summary)) return undefined;
    return new Map(summary.frameworks.flatMap(({ id, pid }) => (pid === undefined ? [] : [[id, pid] as const])));
  }
}
