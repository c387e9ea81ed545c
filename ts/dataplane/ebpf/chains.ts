import { addressBytes } from '../../model/address.js';
import { VipdError } from '../../util/errors.js';
import type { HeldBackend } from './held.js';
import { type IdSets, idHash } from './id-sets.js';
import { LbSize } from './lb.gen.js';
import { protocolNumber } from './records.js';

/** What changed in the kernel's structures: sets of `reply_sets`, records of `backends`. */
export interface ChainChange {
  /** A set to write. */
  readonly set?: number;
  /** A record whose `next` is another now. */
  readonly relinked?: number;
}

/**
 * Backend endpoints and, for each, the records of all VIPs that use it. The first record is the one `reply_sets` names,
 * the others follow by `next`.
 */
export class Chains {
  readonly #chains = new Map<string, number[]>();

  constructor(
    readonly sets: IdSets,
    readonly seed: number,
  ) {}

  /** Id of the record behind this one; 0 ends the chain. */
  next(backend: HeldBackend): number {
    const chain = this.#chains.get(endpointKey(backend));
    return chain?.[chain.indexOf(backend.id) + 1] ?? 0;
  }

  /** @throws VipdError BACKEND_SHARED_TOO_OFTEN | MAP_FULL */
  add(backend: HeldBackend): ChainChange {
    const key = endpointKey(backend);
    const chain = this.#chains.get(key);
    if (chain === undefined) {
      const set = this.sets.add(this.#hash(backend), backend.id);
      this.#chains.set(key, [backend.id]);
      return { set };
    }
    if (chain.length >= LbSize.REPLY_CHAIN) throw sharedTooOften(backend);
    chain.splice(1, 0, backend.id);
    return { relinked: chain[0]! };
  }

  remove(backend: HeldBackend): ChainChange {
    const key = endpointKey(backend);
    const chain = this.#chains.get(key) ?? [];
    const at = chain.indexOf(backend.id);
    if (at < 0) return {};
    chain.splice(at, 1);
    if (at > 0) return { relinked: chain[at - 1]! };
    const [first] = chain;
    if (first === undefined) this.#chains.delete(key);
    const hash = this.#hash(backend);
    const set = first === undefined ? this.sets.remove(hash, backend.id) : this.sets.replace(hash, backend.id, first);
    return set === undefined ? {} : { set };
  }

  /** A record found in the kernel; what it links to is decided when all are known. */
  adopt(backend: HeldBackend): void {
    const key = endpointKey(backend);
    const chain = this.#chains.get(key);
    if (chain === undefined) this.#chains.set(key, [backend.id]);
    else if (this.sets.has(this.#hash(backend), backend.id)) chain.unshift(backend.id);
    else chain.push(backend.id);
  }

  /** Makes the sets name the first record of every chain, and nothing else. */
  settle(backends: readonly (HeldBackend | undefined)[]): void {
    const heads = new Map([...this.#chains.values()].map(([first]) => [first!, this.#hash(backends[first!]!)]));
    for (const { id, hash } of [...this.sets.entries()]) {
      if (heads.get(id) === hash) heads.delete(id);
      else this.sets.remove(hash, id);
    }
    for (const [id, hash] of heads) this.sets.add(hash, id);
  }

  #hash(backend: HeldBackend): number {
    return idHash(addressBytes(backend.address), backend.port, protocolNumber(backend.vip.frontend), this.seed);
  }
}

function endpointKey(backend: HeldBackend): string {
  return `${backend.vip.frontend.protocol}/${backend.key}`;
}

function sharedTooOften(backend: HeldBackend): VipdError {
  return new VipdError({
    code: 'BACKEND_SHARED_TOO_OFTEN',
    object: `vip ${backend.vip.key} backend ${backend.key}`,
    cause: `${LbSize.REPLY_CHAIN} other VIPs have this backend already`,
    hint: 'give the server another port, or join VIPs',
  });
}
