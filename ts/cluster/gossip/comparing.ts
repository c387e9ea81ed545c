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

/** What a neighbour holds and what this node does, beat by beat. */
export class Difference {
  /** They are being compared: what is much takes longer than a beat. */
  busy = false;
  #beats = 0;
  #last = '';
  #compared = '';

  /**
   * `still`: neither has moved since the beat before, so nothing is under way any more and something is missing. `moving`:
   * gossip may yet bring it. `known`: they were compared as they are, and one of the two cannot take what the other has.
   */
  judge(ours: Uint8Array, theirs: Uint8Array): 'none' | 'still' | 'moving' | 'known' {
    if (Buffer.from(ours).equals(theirs)) {
      this.#beats = 0;
      return 'none';
    }
    this.#beats += 1;
    const pair = Buffer.concat([ours, theirs]).toString('hex');
    const still = pair === this.#last;
    this.#last = pair;
    if (pair === this.#compared) return 'known';
    return still ? 'still' : this.#beats < 2 ? 'none' : 'moving';
  }

  /** Both, as of the last beat. */
  get pair(): string {
    return this.#last;
  }

  compared(pair: string): void {
    this.#compared = pair;
  }
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

  /** At a beat of the neighbour: compares at once what is missing, and ever more seldom what is only on its way. */
  async weigh(connection: Connection, difference: Difference, theirs: Uint8Array): Promise<void> {
    const side = this.modules.sideOf(connection.remotePeer.toString());
    const verdict = difference.judge(side.replica.whole(), theirs);
    const now = side.now();
    if (verdict === 'none' || difference.busy || (verdict !== 'still' && now < this.#next)) return;
    this.#next = now + this.#pauseMs;
    const { pair } = difference;
    difference.busy = true;
    if (await this.with(connection)) difference.compared(pair);
    difference.busy = false;
  }

  /** Whether it went to its end. */
  async with(connection: Connection): Promise<boolean> {
    const { counters, sideOf } = this.modules;
    const side = sideOf(connection.remotePeer.toString());
    let missed = false;
    const received: Side['received'] = (outcome, heard) => {
      missed ||= outcome.kind === 'new';
      side.received(outcome, heard);
    };
    try {
      const stream = await connection.newStream(COMPARE, { signal: AbortSignal.timeout(5_000) });
      const differed = await compare({ ...side, received }, lineOver(stream, this.#count));
      counters.comparisons += 1;
      if (differed) counters.repairs += 1;
      // While everything changes all the time, two nodes always differ and nothing is missing.
      this.#pauseMs = missed ? SHORTEST_MS : Math.min(this.longestMs, this.#pauseMs * 2);
      await stream.close({ signal: AbortSignal.timeout(5_000) });
      return true;
    } catch {
      counters.comparisonFailures += 1;
      return false;
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
