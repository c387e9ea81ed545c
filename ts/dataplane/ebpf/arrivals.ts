import { addressBytes } from '../../model/address.js';
import type { HeldBackend } from './held.js';
import { type IdSets, idHash } from './id-sets.js';

/** Hash of `arrival_find` in bpf/vip.h: the VIP's id stands where others have port and protocol. */
export function arrivalHash(address: string, vip: number, seed: number): number {
  // idHash takes the port as people write it; the program has the id's low half there as it is in memory.
  const low = vip & 0xffff;
  return idHash(addressBytes(address), ((low & 0xff) << 8) | (low >> 8), (vip >>> 16) & 0xff, seed);
}

/**
 * Backends of this node whose packets come in tunnels: found by their address and VIP, and, one for each address, by the
 * address alone. Each method returns the sets to write.
 */
export class Arrivals {
  /** Ids by address, the first is the one found by address alone. */
  readonly #byAddress = new Map<string, number[]>();

  constructor(
    readonly sets: IdSets,
    readonly seed: number,
  ) {
    sets.settle(new Map());
  }

  has({ address, id }: HeldBackend): boolean {
    return this.#byAddress.get(address)?.includes(id) ?? false;
  }

  /** @throws VipdError MAP_FULL */
  add(backend: HeldBackend): number[] {
    const { address, id, vip } = backend;
    const touched = [this.sets.add(this.#hash(address, vip.id), id)];
    const ids = this.#byAddress.get(address);
    if (ids !== undefined) {
      ids.push(id);
      return touched;
    }
    this.#byAddress.set(address, [id]);
    return [...touched, this.sets.add(this.#hash(address, 0), id)];
  }

  remove({ address, id, vip }: HeldBackend): number[] {
    const ids = this.#byAddress.get(address) ?? [];
    const at = ids.indexOf(id);
    if (at < 0) return [];
    ids.splice(at, 1);
    const touched = [this.sets.remove(this.#hash(address, vip.id), id)];
    if (at === 0) touched.push(this.#pass(address, id, ids[0]));
    return touched.filter((set) => set !== undefined);
  }

  #pass(address: string, from: number, to: number | undefined): number | undefined {
    const hash = this.#hash(address, 0);
    if (to !== undefined) return this.sets.replace(hash, from, to);
    this.#byAddress.delete(address);
    return this.sets.remove(hash, from);
  }

  #hash(address: string, vip: number): number {
    return arrivalHash(address, vip, this.seed);
  }
}
