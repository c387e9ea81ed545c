import { IdPool } from '../../../ts/dataplane/ebpf/id-pool.js';
import { maglevTable } from '../../../ts/dataplane/ebpf/maglev.js';
import { type Endpoint, formatEndpoint, type Prefix, parsePrefix, prefixContains } from '../../../ts/model/address.js';
import type { ForwardedVip } from '../../../ts/model/forwarding.js';
import { backendKey, type Frontend, type VipKey, vipKey } from '../../../ts/model/service.js';

export interface ModelVip {
  readonly frontend: Frontend;
  readonly backends: Map<string, ModelBackend>;
  /** Shares a backend with a VIP that is tracked exactly, or has done so. */
  beside: boolean;
  /** Ids by slot; empty while no backend takes new connections. */
  table: readonly number[];
  /** The table before the last change; empty for none. */
  previous: readonly number[];
}

export interface ModelBackend extends Endpoint {
  readonly id: number;
  readonly generation: number;
  readonly vip: ModelVip;
  weight: number;
}

/** What the maps mean, as plainly as can be: VIPs, their backends and tables, and which backends share an endpoint. */
export class ControlModel {
  engaged = true;
  readonly vips = new Map<VipKey, ModelVip>();
  #pools: readonly Prefix[] = [];
  readonly #byId = new Map<number, ModelBackend>();
  /** The records of an endpoint in the order in which an answer tries them. */
  readonly #chains = new Map<string, ModelBackend[]>();
  readonly #ids: IdPool;
  /** How often each id has been given away. */
  readonly #generations = new Map<number, number>();

  /** @param limit backends, as the plane has it */
  constructor(
    limit: number,
    readonly isExact: (vip: VipKey) => boolean = () => false,
  ) {
    this.#ids = new IdPool(limit + 1, 'backends');
  }

  vip(frontend: Frontend): ModelVip | undefined {
    return this.vips.get(vipKey(frontend));
  }

  backend(id: number): ModelBackend | undefined {
    return this.#byId.get(id);
  }

  /** The records of one endpoint, one for each VIP that has it. */
  chain(end: Endpoint, protocol: Frontend['protocol']): readonly ModelBackend[] {
    return this.#chains.get(`${protocol}/${formatEndpoint(end)}`) ?? [];
  }

  isOurs(address: string): boolean {
    if (this.#pools.some((pool) => prefixContains(pool, address))) return true;
    return [...this.vips.values()].some(({ frontend }) => frontend.address === address);
  }

  setPools(pools: readonly string[]): void {
    this.#pools = pools.map(parsePrefix);
  }

  upsert({ frontend, backends }: ForwardedVip): void {
    const key = vipKey(frontend);
    const vip = this.vips.get(key) ?? { frontend, backends: new Map(), beside: false, table: [], previous: [] };
    this.vips.set(key, vip);
    const before = selection(vip);
    for (const wanted of backends) {
      const known = vip.backends.get(backendKey(wanted));
      if (known === undefined) this.#add(vip, wanted);
      else known.weight = wanted.weight;
    }
    const kept = new Set(backends.map(backendKey));
    const dropped = [...vip.backends.values()].filter((one) => !kept.has(backendKey(one)));
    for (const one of dropped) vip.backends.delete(backendKey(one));
    if (selection(vip) !== before) {
      vip.previous = vip.table;
      vip.table = tableOf(vip);
    }
    for (const one of dropped) this.#remove(one);
    for (const one of vip.backends.values()) this.#settleBeside(this.chain(one, frontend.protocol));
  }

  #settleBeside(chain: readonly ModelBackend[]): void {
    const exactly = ({ vip }: ModelBackend) => this.isExact(vipKey(vip.frontend));
    if (chain.some(exactly)) for (const one of chain) one.vip.beside ||= !exactly(one);
  }

  remove(key: VipKey): void {
    const vip = this.vips.get(key);
    if (vip === undefined) return;
    this.vips.delete(key);
    for (const one of vip.backends.values()) this.#remove(one);
  }

  #add(vip: ModelVip, { address, port, weight }: Endpoint & { weight: number }): void {
    const id = this.#ids.take();
    const generation = (this.#generations.get(id) ?? 0) + 1;
    this.#generations.set(id, generation);
    const backend = { id, generation, vip, address, port, weight };
    vip.backends.set(backendKey(backend), backend);
    this.#byId.set(id, backend);
    const chain = this.chain(backend, vip.frontend.protocol);
    // Behind the first, which the map of endpoints names.
    this.#setChain(backend, chain.length === 0 ? [backend] : [chain[0]!, backend, ...chain.slice(1)]);
  }

  #remove(backend: ModelBackend): void {
    const chain = this.chain(backend, backend.vip.frontend.protocol);
    this.#setChain(
      backend,
      chain.filter((one) => one !== backend),
    );
    this.#byId.delete(backend.id);
    this.#ids.give(backend.id);
  }

  #setChain(backend: ModelBackend, chain: ModelBackend[]): void {
    this.#chains.set(`${backend.vip.frontend.protocol}/${formatEndpoint(backend)}`, chain);
  }
}

function active(vip: ModelVip): ModelBackend[] {
  return [...vip.backends.values()].filter(({ weight }) => weight > 0);
}

/** What a table depends on. */
function selection(vip: ModelVip): string {
  const parts = active(vip).map(({ id, weight }) => `${id}*${weight}`);
  return parts.sort().join();
}

function tableOf(vip: ModelVip): number[] {
  const backends = active(vip);
  const table = maglevTable(backends.map((one) => ({ key: backendKey(one), weight: one.weight })));
  return [...table].map((index) => backends[index]!.id);
}
