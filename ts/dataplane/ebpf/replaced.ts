import type { Btf } from '../../libbpf/btf.js';
import type { BpfMap } from '../../libbpf/map.js';
import { type Adopted, adoptMap } from './adopt.js';
import { flowLayoutOf, sameFlowLayout } from './convert.js';
import { readLayouts } from './layouts.js';
import { FlowBits } from './lb.gen.js';
import { isReplaced, type Layout } from './resize.js';
import { type Maps, SHARED, type SharedMap, type Sizes } from './shared-maps.js';

/** A map that is to be replaced, and how what it holds is to be understood. */
export type Old = Adopted & Layout;
export type Replaced = Map<SharedMap, Old>;

/** `old` are those that are to be made anew, in another size or layout. */
export function adoptMaps(pins: string, btf: Btf, sizes: Sizes): { maps: Maps; old: Replaced } {
  const layouts = readLayouts(pins);
  const [maps, old]: [Maps, Replaced] = [new Map(), new Map()];
  for (const name of SHARED) {
    const adopted = adoptMap(pins, name, btf, layouts);
    if (adopted === undefined) continue;
    const flowLayout = name === 'flows' || name === 'overflow_flows' ? flowLayoutOf(adopted.layout?.btf) : undefined;
    const other = flowLayout !== undefined && !sameFlowLayout(flowLayout);
    const changed = name === 'layout' || other || adopted.difference !== undefined;
    const difference = adopted.difference ?? (other ? 'flows are laid out otherwise' : undefined);
    if (changed || isReplaced(name, adopted.map.info.maxEntries, sizes[name]))
      old.set(name, { ...adopted, ...(difference !== undefined && { difference }), ...(other && { flowLayout }) });
    else maps.set(name, adopted.map);
  }
  return { maps, old };
}

/** Maps whose entries live for moments, or are written anew at once. */
const FLEETING: readonly string[] = ['layout', 'fragments', 'exact_fragments', 'event_budgets', 'workloads', 'events'];

/** Why what is in a map that is replaced cannot be carried over; empty when it can, or need not. */
export function lossOf(name: SharedMap, { conversion, flowLayout }: Old): [string, string][] {
  if (name === 'sock_origins')
    return [[name, 'sockets that are connected keep their backends, and show these as their peers']];
  const otherHash = flowLayout !== undefined && flowLayout.FLOW_HASH !== FlowBits.FLOW_HASH;
  if (name !== 'flows' || (conversion === undefined && !otherHash)) return [];
  return [[name, 'flows are found by other means there: those of VIPs with the schedule maglev keep their backends']];
}

export function differenceOf(name: SharedMap, difference: string | undefined): [string, string][] {
  return difference === undefined || FLEETING.includes(name) ? [] : [[name, difference]];
}

export function carried(name: SharedMap, old: Old): boolean {
  if (FLEETING.includes(name) || (name === 'overflow_flows' && old.flowLayout !== undefined)) return false;
  return lossOf(name, old).length === 0;
}

/** Whether it is filled before any program is attached. Exact flows and their answers go together, as late as possible. */
export function isCopiedEarly(name: SharedMap, old: Old): boolean {
  return name !== 'exact_flows' && name !== 'exact_answers' && carried(name, old);
}

/** The table before, if the programs can read it. */
export function servingStill(flows: Old | undefined): Old | undefined {
  return flows !== undefined && carried('flows', flows) ? flows : undefined;
}

/** Maps of exact flows in which programs look too while others know those alone: both, and only where they can read them. */
export function oldExactOf(old: Replaced): [name: string, map: BpfMap][] {
  const [flows, answers] = [old.get('exact_flows'), old.get('exact_answers')];
  if (flows === undefined || answers === undefined) return [];
  if (flows.conversion !== undefined || answers.conversion !== undefined) return [];
  return [
    ['old_exact_flows', flows.map],
    ['old_exact_answers', answers.map],
  ];
}

/** The flows to be taken over when they or their answers have another map now. */
export function exactOf(old: Replaced, maps: Maps): Pick<Old, 'map' | 'conversion'> | undefined {
  return old.get('exact_flows') ?? (old.has('exact_answers') ? { map: maps.get('exact_flows')! } : undefined);
}
