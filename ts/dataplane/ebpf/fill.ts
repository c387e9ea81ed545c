import type { BpfMap } from '../../libbpf/map.js';
import { FlowIdle, FlowState, LbSize } from './lb.gen.js';
import { ageUnits, type Clock, flowFields } from './tracking.js';

/** Sets read at a time; of a larger table the next ones the next time. Flows are spread by hash, so some tell of all. */
const SLICE = 4096;

/** How much of the flow table is taken by flows that give way to no new one: established, and heard of within two hours. */
export class FlowFill {
  #first = 0;

  constructor(readonly flows: BpfMap) {}

  /** Counted in a table of up to 32,768 flows, else estimated from as many. */
  look(clock: Clock): { readonly used: number; readonly limit: number } {
    const { maxEntries } = this.flows.info;
    const sets = Math.min(SLICE, maxEntries);
    const words = new Uint32Array(sets * LbSize.FLOW_SET_WAYS * 2);
    this.flows.readArray(this.#first, Buffer.from(words.buffer));
    this.#first = (this.#first + sets) % maxEntries;
    return { used: countHeld(words, clock) * (maxEntries / sets), limit: maxEntries * LbSize.FLOW_SET_WAYS };
  }
}

/** Pure: compare flow_rank() in bpf/conn.h. @param words the lower and the upper half of each flow */
export function countHeld(words: Uint32Array, clock: Clock): number {
  let held = 0;
  for (let at = 0; at < words.length; at += 2) {
    if (words[at] === 0 && words[at + 1] === 0) continue;
    const fields = flowFields(words[at]!, words[at + 1]!);
    if (fields.state === FlowState.FLOW_ESTABLISHED && ageUnits(fields, clock) <= FlowIdle.FLOW_IDLE_LIMIT) held += 1;
  }
  return held;
}
