import { type HeldVip, selectable } from './held.js';
import { maglevTable } from './maglev.js';
import { turnsTable } from './turns.js';

/** The slots of a VIP's selection table: ids of backends; empty when none takes new connections. */
export function tableSlots(vip: HeldVip): Uint32Array {
  const candidates = selectable(vip);
  const { schedule } = vip.policy;
  const table = schedule === 'round-robin' ? turnsTable(candidates) : maglevTable(candidates);
  const slots = new Uint32Array(table.length);
  for (let i = 0; i < table.length; i++) slots[i] = candidates[table[i]!]!.id;
  return slots;
}
