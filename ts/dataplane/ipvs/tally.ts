import { type VipKey, vipKey } from '../../model/service.js';
import type { Service, Totals } from './messages.js';

type Counted = Pick<Totals, 'packets' | 'packetsIn'>;

/** What IPVS counts goes with the service that counted it; here it stays, so that sums over all services never sink. */
export class Tally {
  readonly #last = new Map<VipKey, Counted>();
  #gone: Counted = { packets: 0n, packetsIn: 0n };

  /** What these services have counted, all there are now, and those that went. */
  sum(services: readonly Service[]): Counted {
    const there = new Map(services.map((service) => [vipKey(service), service.totals]));
    for (const [key, before] of this.#last) {
      const now = there.get(key);
      // Somebody else has removed it, and perhaps it was made again since.
      if (now === undefined || now.packets < before.packets) this.#part(key, before);
    }
    for (const [key, now] of there) this.#last.set(key, now);
    return [...there.values()].reduce(plus, this.#gone);
  }

  /** To be told of the last reading of a service that is removed. */
  part(service: Service): void {
    this.#part(vipKey(service), service.totals);
  }

  #part(key: VipKey, totals: Counted): void {
    this.#gone = plus(this.#gone, totals);
    this.#last.delete(key);
  }
}

function plus(one: Counted, other: Counted): Counted {
  return { packets: one.packets + other.packets, packetsIn: one.packetsIn + other.packetsIn };
}
