import type { HeldVip } from './held.js';
import type { Image } from './image.js';
import { isExact } from './ways.js';

/**
 * Of a VIP and of all that share a backend with it: those that are not tracked exactly, while another one is, and do not know
 * it yet. They are told for good: a flow that was tracked exactly for the other's sake may outlive it.
 */
export function newlyBeside(image: Image, vip: HeldVip): HeldVip[] {
  const found = new Set<HeldVip>();
  for (const backend of vip.backends.values()) {
    const ids = image.chains.sharing(backend);
    if (ids.length < 2) continue;
    const sharing = ids.map((id) => image.backendOf[id]!.vip);
    if (!sharing.some(({ policy }) => isExact(policy))) continue;
    for (const one of sharing) if (!one.beside && !isExact(one.policy)) found.add(one);
  }
  return [...found];
}
