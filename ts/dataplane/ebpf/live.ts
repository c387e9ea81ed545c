import type { BpfMap } from '../../libbpf/map.js';
import { backendKey } from '../../model/service.js';
import type { Flow } from '../dataplane.js';
import type { HeldBackend } from './held.js';
import { FlowState, LbSize } from './lb.gen.js';
import type { Given, Origins } from './origins.js';
import { sweep } from './sweep.js';
import { type Clock, flowFields, GENERATION_MASK, idleTicks } from './tracking.js';

/** Sets read by one system call. */
const SLICE = 4096;
/** UDP says no goodbye: what has been silent for longer is not there any more, seconds. */
const UDP_IDLE_SECONDS = 120;

export interface LiveModules {
  readonly flows: BpfMap;
  readonly origins: Origins;
  readonly clock: () => Clock;
  /** Flows that are tracked by all of their ends, and are in no other table. */
  readonly exact: () => readonly Flow[];
}

/**
 * Connections that backends have now, by id: sockets of any network namespace that the sock hook gave them, and flows that
 * the hooks for packets translate. Backends without any are left out.
 */
export async function liveConnections(
  backends: readonly HeldBackend[],
  modules: LiveModules,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  const add = (id: number) => counts.set(id, (counts.get(id) ?? 0) + 1);
  const ids = new Map(backends.map((backend) => [keyOf(givenBy(backend)), backend.id]));
  const count = (given: Given): boolean => {
    const id = ids.get(keyOf(given));
    if (id !== undefined) add(id);
    return false; // nothing is lost, all go on
  };
  await sweep(backends.map(givenBy), { origins: modules.origins, lost: count }, signal);
  for (const { vip, backend, state } of modules.exact()) {
    const id = ids.get(`${vip} ${backend}`);
    if (id !== undefined && state !== 'closing') add(id);
  }
  countFlows(new Map(backends.map((backend) => [backend.id, backend])), modules, add);
  return counts;
}

function givenBy(backend: HeldBackend): Given {
  return { protocol: backend.vip.frontend.protocol, vip: backend.vip.key, backend };
}

function keyOf({ vip, backend }: Given): string {
  return `${vip} ${backendKey(backend)}`;
}

function countFlows(
  backends: ReadonlyMap<number, HeldBackend>,
  { flows, clock }: LiveModules,
  add: (id: number) => void,
): void {
  const now = clock();
  const slice = Math.min(SLICE, flows.info.maxEntries);
  const words = new Uint32Array(slice * LbSize.FLOW_SET_WAYS * 2);
  for (let first = 0; first < flows.info.maxEntries; first += slice) {
    flows.readArray(first, Buffer.from(words.buffer));
    for (let at = 0; at < words.length; at += 2) {
      if (words[at] === 0 && words[at + 1] === 0) continue;
      const fields = flowFields(words[at]!, words[at + 1]!);
      const backend = backends.get(fields.backend);
      if (backend === undefined || fields.state === FlowState.FLOW_CLOSING) continue;
      if ((backend.generation & GENERATION_MASK) !== fields.generation) continue;
      const udp = backend.vip.frontend.protocol === 'udp';
      if (!udp || idleTicks(fields, now) < UDP_IDLE_SECONDS * now.hz) add(backend.id);
    }
  }
}
