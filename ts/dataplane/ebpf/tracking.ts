import type { BpfMap } from '../../libbpf/map.js';
import { breathing } from '../../util/clock.js';
import type { Flow } from '../dataplane.js';
import type { Image } from './image.js';
import { FlowBits, FlowState, LbSize } from './lb.gen.js';
import type { Loaded } from './programs.js';
import { shiftOf, ticksOf } from './ticks.js';

/** Sets read by one system call. */
const SLICE = 4096;
const AGE_MASK = (1 << FlowBits.FLOW_AGE_BITS) - 1;
export const GENERATION_MASK = (1 << FlowBits.FLOW_GENERATION_BITS) - 1;

/** The fields of a flow's word that user space can use; the tag cannot be turned back into a client. */
export interface FlowFields {
  readonly backend: number;
  readonly generation: number;
  readonly state: number;
  /** In units of 2^age_shift ticks, modulo 1024. */
  readonly age: number;
}

/** Pure: the word of bpf/lb.h, struct flow_set, given as its lower and upper half. */
export function flowFields(low: number, high: number): FlowFields {
  const upperBits = FlowBits.FLOW_BACKEND_BITS - (32 - FlowBits.FLOW_BACKEND_SHIFT);
  return {
    backend: (low >>> FlowBits.FLOW_BACKEND_SHIFT) | ((high & ((1 << upperBits) - 1)) << 16),
    generation: (low >>> FlowBits.FLOW_GENERATION_SHIFT) & GENERATION_MASK,
    state: (low >>> FlowBits.FLOW_STATE_SHIFT) & ((1 << FlowBits.FLOW_STATE_BITS) - 1),
    age: low & AGE_MASK,
  };
}

export interface Clock {
  /** Kernel ticks now. */
  readonly ticks: number;
  readonly hz: number;
}

export function clockOf(loaded: Loaded): Clock {
  return { ticks: ticksOf(loaded.program('tc_upkeep', 'tc_ticks')), hz: loaded.settings.hz };
}

/** Since its last packet, in units of about 16 s. */
export function ageUnits({ age }: FlowFields, { ticks, hz }: Clock): number {
  return ((ticks >>> shiftOf(hz * 16)) - age) & AGE_MASK;
}

/** Since its last packet, to about 16 s. */
export function idleTicks(fields: FlowFields, clock: Clock): number {
  return ageUnits(fields, clock) * 2 ** shiftOf(clock.hz * 16);
}

/** There may be a million: others run meanwhile. */
export async function readFlows(
  map: BpfMap,
  image: Image,
  clock: Clock,
  limit: number,
  wanted: (flow: Flow) => boolean = () => true,
): Promise<Flow[]> {
  const flows: Flow[] = [];
  const breathe = breathing();
  const slice = Math.min(SLICE, map.info.maxEntries);
  const words = new Uint32Array(slice * LbSize.FLOW_SET_WAYS * 2);
  for (let first = 0; first < map.info.maxEntries && flows.length < limit; first += slice) {
    await breathe();
    map.readArray(first, Buffer.from(words.buffer));
    for (let at = 0; at < words.length && flows.length < limit; at += 2) {
      if (words[at] === 0 && words[at + 1] === 0) continue;
      const flow = flowOf(flowFields(words[at]!, words[at + 1]!), image, clock);
      if (flow !== undefined && wanted(flow)) flows.push(flow);
    }
  }
  return flows;
}

/** Undefined when its backend is gone: the next packet will choose anew. */
function flowOf(fields: FlowFields, image: Image, clock: Clock): Flow | undefined {
  const backend = image.backendOf[fields.backend];
  if (backend === undefined || (backend.generation & GENERATION_MASK) !== fields.generation) return undefined;
  return {
    vip: backend.vip.key,
    backend: backend.key,
    state: stateName(fields.state),
    idleSeconds: Math.round(idleTicks(fields, clock) / clock.hz),
  };
}

function stateName(state: number): Flow['state'] {
  if (state === FlowState.FLOW_CLOSING) return 'closing';
  return state === FlowState.FLOW_ESTABLISHED ? 'established' : 'new';
}
