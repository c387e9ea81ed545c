import { type VipKey, vipKey } from '../../model/service.js';
import type { Service, Totals } from './messages.js';

type Counted = Pick<Totals, 'packets' | 'packetsIn'>;

/** What IPVS counts goes with the service that counted it; here it stays, so that sums over all services never sink. */
export class Tally {
  #last: ReadonlyMap<VipKey, Counted> = new Map();
  #gone: Counted = { packets: 0n, packetsIn: 0n };

  /** What these services have counted, all there are now, and as last read those that went. Readings come in their order. */
  sum(services: readonly Service[]): Counted {
    const there = new Map(services.map((service) => [vipKey(service), service.totals]));
    for (const [key, before] of this.#last) {
      const now = there.get(key);
      // It was removed, and perhaps made again since.
      if (now === undefined || now.packets < before.packets) this.#gone = plus(this.#gone, before);
    }
    this.#last = there;
    return [...there.values()].reduce(plus, this.#gone);
  }
}

function plus(one: Counted, other: Counted): Counted {
  return { packets: one.packets + other.packets, packetsIn: one.packetsIn + other.packetsIn };
}
