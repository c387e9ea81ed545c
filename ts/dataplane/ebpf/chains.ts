import { addressBytes } from '../../model/address.js';
import type { BackendKey } from '../../model/service.js';
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
  readonly #chains = { tcp: new Map<BackendKey, number[]>(), udp: new Map<BackendKey, number[]>() };
  /** Of adopted records, until they are settled: which one each links to. */
  readonly #links = new Map<number, number>();

  constructor(
    readonly sets: IdSets,
    readonly seed: number,
  ) {}

  /** Id of the record behind this one; 0 ends the chain. */
  next(backend: HeldBackend): number {
    const chain = this.#chainsOf(backend).get(backend.key);
    return chain?.[chain.indexOf(backend.id) + 1] ?? 0;
  }

  /** Ids of the records of all VIPs that have this backend, its own among them. */
  sharing(backend: HeldBackend): readonly number[] {
    return this.#chainsOf(backend).get(backend.key) ?? [];
  }

  /** @throws VipdError BACKEND_SHARED_TOO_OFTEN | MAP_FULL */
  add(backend: HeldBackend): ChainChange {
    const chains = this.#chainsOf(backend);
    const chain = chains.get(backend.key);
    if (chain === undefined) {
      const set = this.sets.add(this.#hash(backend), backend.id);
      chains.set(backend.key, [backend.id]);
      return { set };
    }
    if (chain.length >= LbSize.REPLY_CHAIN) throw sharedTooOften(backend);
    chain.splice(1, 0, backend.id);
    return { relinked: chain[0]! };
  }

  remove(backend: HeldBackend): ChainChange {
    const chains = this.#chainsOf(backend);
    const chain = chains.get(backend.key) ?? [];
    const at = chain.indexOf(backend.id);
    if (at < 0) return {};
    chain.splice(at, 1);
    if (at > 0) return { relinked: chain[at - 1]! };
    const [first] = chain;
    if (first === undefined) chains.delete(backend.key);
    const hash = this.#hash(backend);
    const set = first === undefined ? this.sets.remove(hash, backend.id) : this.sets.replace(hash, backend.id, first);
    return set === undefined ? {} : { set };
  }

  /** A record found in the kernel, and the one it links to there; what it is to link to is decided when all are known. */
  adopt(backend: HeldBackend, next: number): void {
    const chains = this.#chainsOf(backend);
    this.#links.set(backend.id, next);
    const chain = chains.get(backend.key);
    if (chain === undefined) chains.set(backend.key, [backend.id]);
    else if (this.sets.has(this.#hash(backend), backend.id)) chain.unshift(backend.id);
    else chain.push(backend.id);
  }

  /** Puts the adopted records of each endpoint in order, and makes the sets name the first ones, and nothing else. */
  settle(backends: readonly (HeldBackend | undefined)[]): void {
    const heads = new Map<number, number>();
    for (const chains of Object.values(this.#chains)) {
      for (const [key, chain] of chains) {
        const ordered = chain.length === 1 ? chain : inLinkedOrder(chain, this.#links);
        chains.set(key, ordered);
        heads.set(ordered[0]!, this.#hash(backends[ordered[0]!]!));
      }
    }
    this.#links.clear();
    this.sets.settle(heads);
  }

  #chainsOf({ vip }: HeldBackend): Map<BackendKey, number[]> {
    return this.#chains[vip.frontend.protocol];
  }

  #hash(backend: HeldBackend): number {
    return idHash(addressBytes(backend.address), backend.port, protocolNumber(backend.vip.frontend), this.seed);
  }
}

/** From the first record on as they link to each other; those that no link reaches come last. */
function inLinkedOrder(chain: readonly number[], links: ReadonlyMap<number, number>): number[] {
  const left = new Set(chain);
  const ordered: number[] = [];
  for (let id = chain[0]; id !== undefined && left.delete(id); id = links.get(id)) ordered.push(id);
  return [...ordered, ...left];
}

function sharedTooOften(backend: HeldBackend): VipdError {
  return new VipdError({
    code: 'BACKEND_SHARED_TOO_OFTEN',
    object: `vip ${backend.vip.key} backend ${backend.key}`,
    cause: `${LbSize.REPLY_CHAIN} other VIPs have this backend already`,
    hint: 'give the server another port, or join VIPs',
  });
}
