import { FlowState, LbSize } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { type FlowEntry, type FlowPlace, flowPlace } from '../flow-hash.js';

const WAYS = LbSize.FLOW_SET_WAYS;

/** How willingly an entry that was just used gives way to a new one; ESTABLISHED does not. See bpf/conn.h. */
const WILLING: Readonly<Record<number, number>> = {
  [FlowState.FLOW_NEW]: 2,
  [FlowState.FLOW_REPLIED]: 2,
  [FlowState.FLOW_CLOSING]: 1,
  [FlowState.FLOW_ESTABLISHED]: 0,
};

export type Inserted = 'inserted' | 'evicted' | 'overflowed';

/** Where a flow's entry is, or would be. */
export interface ModelPlace extends FlowPlace {
  readonly hash: bigint;
}

/**
 * The table of flows while no time passes: sets of eight ways, filled from the first; and what found no way, of which a
 * test never has so many that any of it is lost.
 */
export class FlowTable {
  readonly sets: (FlowEntry | undefined)[][];
  readonly overflow = new Map<bigint, FlowEntry>();

  /** @param count sets; a power of two */
  constructor(readonly count: number) {
    this.sets = Array.from({ length: count }, () => new Array<FlowEntry | undefined>(WAYS).fill(undefined));
  }

  clear(): void {
    for (const set of this.sets) set.fill(undefined);
    this.overflow.clear();
  }

  place(hash: bigint): ModelPlace {
    return { ...flowPlace(hash, this.count), hash };
  }

  find({ set, tag }: FlowPlace): FlowEntry | undefined {
    return this.sets[set]!.find((entry) => entry?.tag === tag);
  }

  /** Puts an entry, or none, in the place of the one that the flow has. */
  replace({ set, tag }: FlowPlace, entry: FlowEntry | undefined): void {
    const ways = this.sets[set]!;
    ways[ways.findIndex((one) => one?.tag === tag)] = entry;
  }

  remove({ set, tag }: FlowPlace): void {
    const ways = this.sets[set]!;
    ways[ways.findIndex((one) => one?.tag === tag)] = undefined;
  }

  /** The entry of a flow, if there is any, wherever it would be found. */
  forget(place: ModelPlace): void {
    if (this.find(place) !== undefined) this.remove(place);
    else if (!this.sets[place.set]!.includes(undefined)) this.overflow.delete(place.hash);
  }

  /** For a flow without an entry. */
  insert({ set, hash }: ModelPlace, entry: FlowEntry): Inserted {
    const ways = this.sets[set]!;
    const free = ways.indexOf(undefined);
    const way = free >= 0 ? free : this.#victim(ways);
    if (way === undefined) {
      this.overflow.set(hash, entry);
      return 'overflowed';
    }
    ways[way] = entry;
    return free >= 0 ? 'inserted' : 'evicted';
  }

  /** What a flow without a way in a full set left; while there is room, nobody looks there. */
  findOverflowed({ set, hash }: ModelPlace): FlowEntry | undefined {
    return this.sets[set]!.includes(undefined) ? undefined : this.overflow.get(hash);
  }

  /** The last of the most willing. */
  #victim(ways: readonly (FlowEntry | undefined)[]): number | undefined {
    const willing = ways.map((entry) => WILLING[entry!.state]!);
    const most = Math.max(...willing);
    return most === 0 ? undefined : willing.lastIndexOf(most);
  }
}
