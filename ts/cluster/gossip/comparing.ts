import type { Connection, Stream } from '@libp2p/interface';
import type { NodeId } from '../identity.js';
import { answer, compare, type Side } from '../sync.js';
import type { Guard } from './guard.js';
import { lineOver } from './line.js';
import type { Counters } from './traffic.js';

export const COMPARE = '/vipd/compare/1';
const SHORTEST_MS = 500;

export interface ComparingModules {
  readonly sideOf: (peer: NodeId) => Side;
  readonly counters: Counters;
  readonly guard: Guard;
}

/** Comparisons with neighbours, each over a stream of its own. */
export class Comparing {
  #pauseMs = SHORTEST_MS;
  #next = 0;

  /** @param longestMs between two comparisons of what differs all the time */
  constructor(
    private readonly longestMs: number,
    private readonly modules: ComparingModules,
  ) {}

  /** Compares unless it has just been done. */
  async soon(connection: Connection): Promise<void> {
    if (performance.now() < this.#next) return;
    this.#next = performance.now() + this.#pauseMs;
    await this.with(connection);
  }

  async with(connection: Connection): Promise<void> {
    const { counters, sideOf } = this.modules;
    const freshBefore = counters.fresh;
    try {
      const stream = await connection.newStream(COMPARE, { signal: AbortSignal.timeout(5_000) });
      const differed = await compare(sideOf(connection.remotePeer.toString()), lineOver(stream, this.#count));
      counters.comparisons += 1;
      if (differed) counters.repairs += 1;
      // While everything changes all the time, two nodes always differ and nothing is missing.
      const missed = counters.fresh > freshBefore;
      this.#pauseMs = missed ? SHORTEST_MS : Math.min(this.longestMs, this.#pauseMs * 2);
      await stream.close({ signal: AbortSignal.timeout(5_000) });
    } catch {
      counters.comparisonFailures += 1;
    }
  }

  async answer(stream: Stream, connection: Connection): Promise<void> {
    const { counters, guard, sideOf } = this.modules;
    const peer = connection.remotePeer.toString();
    if (!guard.comparison(peer)) return stream.abort(new Error('too many comparisons'));
    try {
      await answer(sideOf(peer), lineOver(stream, this.#count));
      await stream.close({ signal: AbortSignal.timeout(5_000) });
    } catch (error) {
      stream.abort(error as Error);
      counters.comparisonFailures += 1;
    }
  }

  readonly #count = (received: number, sent: number): void => {
    this.modules.counters.bytesCompared += received + sent;
  };
}
