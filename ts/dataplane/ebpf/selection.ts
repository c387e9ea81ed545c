import { type HeldVip, selectable } from './held.js';
import { maglevTable } from './maglev.js';
import { checksum } from './tables.js';
import { turnsTable } from './turns.js';

/** The slots of a VIP's selection table: ids of backends; empty when none takes new connections. */
export function tableSlots(vip: HeldVip): Uint32Array {
  const candidates = selectable(vip);
  const { schedule } = vip.policy;
  const inTurn = schedule === 'round-robin' || schedule === 'least-connections';
  const table = inTurn ? turnsTable(candidates) : maglevTable(candidates);
  const slots = new Uint32Array(table.length);
  for (let i = 0; i < table.length; i++) slots[i] = candidates[table[i]!]!.id;
  return slots;
}

/** What a table must hold as long as the backends are the same; undefined where it follows their connections. */
export function lastingChecksum({ policy }: HeldVip, slots: Uint32Array): number | undefined {
  return policy.schedule === 'least-connections' ? undefined : checksum(slots);
}
