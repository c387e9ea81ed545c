import type { BpfMap } from '../../libbpf/map.js';
import type { Forwarding } from '../../model/forwarding.js';
import type { VipKey } from '../../model/service.js';
import type { HeldVip } from './held.js';
import { IdSets } from './id-sets.js';
import type { Image } from './image.js';
import { damagedTables, type Table } from './tables.js';
import type { Mirrors } from './writes.js';

/**
 * Where the kernel holds something else than the image: changed by hand, or by a program that is not ours. A VIP that is
 * touched by a difference counts as not held, so that whoever reconciles asks for it anew.
 */
export class Drift {
  #differences = new Map<keyof Mirrors, readonly number[]>();
  #damaged = new Set<VipKey>();

  constructor(
    readonly image: Image,
    readonly mirrors: Mirrors,
    readonly tables: BpfMap,
  ) {}

  /** Compares everything with the kernel. */
  look(): void {
    const names = Object.keys(this.mirrors) as (keyof Mirrors)[];
    this.#differences = new Map(
      names
        .map((name) => [name, this.mirrors[name].differences()] as const)
        .filter(([, indexes]) => indexes.length > 0),
    );
    const damaged = [...this.#touched(), ...this.#withDamagedTables(), ...this.#withDamagedLists()];
    this.#damaged = new Set(damaged.map(({ key }) => key));
    this.#sweep();
  }

  /** What the kernel holds, in model terms. */
  forwarding(): Forwarding {
    const { vips, pools } = this.image.forwarding();
    if (this.#damaged.size === 0 && !this.#differences.has('settings')) return this.image.forwarding();
    const intact = new Map([...vips].filter(([key]) => !this.#damaged.has(key)));
    return { pools: this.#differences.has('settings') ? [] : pools, vips: intact };
  }

  /** Writes back what differs. @returns the VIPs that were touched; their tables are to be written anew */
  repair(): ReadonlySet<VipKey> {
    const damaged = this.#damaged;
    for (const [name, indexes] of this.#differences) this.mirrors[name].flush(indexes);
    this.#differences.clear();
    this.#damaged = new Set();
    return damaged;
  }

  /** Differences that show in no VIP and no pool are nobody's to decide: nothing of ours belongs there. */
  #sweep(): void {
    const poolsShow = this.#differences.has('settings') && this.image.pools.length > 0;
    if (this.#damaged.size === 0 && !poolsShow) this.repair();
  }

  *#touched(): Generator<HeldVip> {
    const { vipOf, backendOf, addresses, vips } = this.image;
    const byAddress = new Map([...addresses].map(([address, id]) => [id, address]));
    const owners = (id: number): HeldVip[] => {
      const vip = vipOf[id];
      if (vip !== undefined) return [vip];
      return [...vips.values()].filter(({ frontend }) => frontend.address === byAddress.get(id));
    };
    for (const id of this.#at('vips')) yield* owners(id);
    for (const id of this.#idsIn('vipSets')) yield* owners(id);
    for (const id of [...this.#at('backends'), ...this.#idsIn('replySets')]) {
      const vip = backendOf[id]?.vip;
      if (vip !== undefined) yield vip;
    }
  }

  #at(name: keyof Mirrors): readonly number[] {
    return this.#differences.get(name) ?? [];
  }

  *#idsIn(name: 'vipSets' | 'replySets'): Generator<number> {
    const indexes = this.#at(name);
    if (indexes.length === 0) return;
    const sets = new IdSets(this.mirrors[name].words());
    for (const set of indexes) yield* sets.idsIn(set);
  }

  #withDamagedLists(): HeldVip[] {
    return [...this.image.lists.look()].flatMap((id) => this.image.vipOf[id] ?? []);
  }

  #withDamagedTables(): HeldVip[] {
    const withTable = [...this.image.vips.values()].filter(
      (vip): vip is HeldVip & { readonly table: Table } => vip.table !== undefined,
    );
    const damaged: HeldVip[] = damagedTables(this.tables, withTable);
    const without = [...this.image.vips.values()].filter(
      ({ table, backends }) => table === undefined && [...backends.values()].some(({ weight }) => weight > 0),
    );
    return [...damaged, ...without];
  }
}
