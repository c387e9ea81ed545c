import type { BpfMap } from '../../libbpf/map.js';
import { formatEndpoint } from '../../model/address.js';
import type { VipKey } from '../../model/service.js';
import type { HeldVip } from './held.js';
import type { Image } from './image.js';
import { slotsOf } from './tables.js';

/** What the kernel holds for one VIP, read back now. */
export function inspectVip(image: Image, tables: BpfMap, key: VipKey): Record<string, unknown> | undefined {
  const vip = image.vips.get(key);
  if (vip === undefined) return undefined;
  const shares = sharesOf(vip, tables);
  return {
    id: vip.id,
    schedule: vip.policy.schedule ?? 'maglev',
    table: vip.table === undefined ? 'none' : `${slotsOf(vip.table)} slots from chunk ${vip.table.first}`,
    previousTable: vip.previous === undefined ? 'none' : `from chunk ${vip.previous.first}`,
    backends: [...vip.backends.values()].map((backend) => ({
      id: backend.id,
      endpoint: formatEndpoint(backend),
      weight: backend.weight,
      generation: backend.generation,
      slots: shares.get(backend.id) ?? 0,
      ...(vip.policy.forwarding === undefined ? {} : image.carriageOf(backend)),
    })),
  };
}

/** Slots of the selection table by backend id. */
function sharesOf({ table }: HeldVip, tables: BpfMap): Map<number, number> {
  const shares = new Map<number, number>();
  if (table === undefined) return shares;
  const slots = new Uint32Array(slotsOf(table));
  tables.readArray(table.first, Buffer.from(slots.buffer));
  for (const id of slots) shares.set(id, (shares.get(id) ?? 0) + 1);
  return shares;
}
