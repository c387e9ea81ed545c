import { formatPrefix, type Prefix } from '../../model/address.js';
import type { ForwardedVip } from '../../model/forwarding.js';
import { rulesetGeneration } from '../../netlink/firewall.js';
import { addLocalRoute, localTable, ownProtocol, removeLocalRoute, routes } from '../../netlink/routes.js';
import { type Fault, faultOf } from '../../util/errors.js';
import type { HookStatus } from '../dataplane.js';
import { Addresses, addressSets } from './addresses.js';
import { addressScript, type Firewall, firewallScript, type Gate, noFirewall } from './firewall.js';
import { readFirewall, removeFirewall, writeFirewall } from './nft.js';
import { applySettings, restoreSettings, wantedSysctls } from './sysctls.js';
import type { IpvsTable } from './table.js';

export interface SurroundingsOptions {
  /** Where the settings that were there before are kept. */
  readonly settingsFile: string;
  readonly kernelRelease: string;
}

/**
 * What IPVS needs beside its services: routes that make the pools local, so that it sees their packets at all; the
 * nftables table; settings of the namespace.
 */
export class Surroundings {
  #firewall: Firewall | undefined;
  /** Of the namespace's ruleset, when the table was as `#firewall` says; undefined when it is to be read again. */
  #generation: number | undefined;
  readonly #addresses = new Addresses();
  #faults: ReadonlyMap<string, Fault> = new Map();

  constructor(
    readonly options: SurroundingsOptions,
    readonly table: IpvsTable,
  ) {}

  get pools(): readonly Prefix[] {
    return this.#firewall?.pools ?? [];
  }

  get gate(): Gate | undefined {
    return this.#firewall?.gate;
  }

  /**
   * Looks what the kernel has; before anything else, and whether it still has what we believe it has. Read is only what
   * may have changed: with a hundred thousand backends nft takes seconds to tell the table.
   */
  async look(): Promise<void> {
    const generation = rulesetGeneration();
    if (generation !== undefined && generation === this.#generation) return;
    this.#firewall = await readFirewall();
    this.#generation = generation;
  }

  async setPools(pools: readonly Prefix[]): Promise<void> {
    await this.#write({ pools });
    if (this.gate !== undefined) this.#route();
  }

  /** These are all VIPs; the firewall hears of it with its next change. */
  know(vips: Iterable<ForwardedVip>): Promise<void> {
    return this.#addresses.recount(vips, this.#firewall ?? noFirewall());
  }

  /** Tells the firewall of VIPs that are others now; undefined where there is none. */
  async change(vips: Iterable<readonly [ForwardedVip | undefined, ForwardedVip | undefined]>): Promise<void> {
    for (const [before, after] of vips) this.#addresses.replace(before, after);
    await this.#write({});
  }

  /** From now on packets for the pools are IPVS's; what is set already is set again where it differs. */
  async open(gate: Gate, pools: readonly Prefix[] = this.pools): Promise<void> {
    const { settingsFile, kernelRelease } = this.options;
    const settings = applySettings(this.table, wantedSysctls(kernelRelease), settingsFile);
    this.#faults = new Map(settings.map((fault) => [fault.object, fault]));
    await this.#write({ gate, pools });
    this.#route();
  }

  /** Connections that exist go on, new ones are refused. */
  async shut(): Promise<void> {
    if (this.gate !== undefined) await this.#write({ gate: 'closed' });
  }

  async remove(): Promise<void> {
    for (const { destination } of this.#localRoutes()) removeLocalRoute(destination);
    await removeFirewall();
    restoreSettings(this.table, this.options.settingsFile);
    this.#firewall = undefined;
    this.#generation = undefined;
  }

  statuses(): readonly HookStatus[] {
    if (this.gate === undefined) return [];
    const status = { hook: 'ipvs', mode: 'kernel' } as const;
    const routes = this.#missingRoutes();
    return [
      { ...status, where: 'local routes', attached: routes.length === 0, ...(routes[0] ? { fault: routes[0] } : {}) },
      { ...status, where: 'nftables table inet vipd', attached: this.gate !== 'closed' },
      ...[...this.#faults.values()].map((fault) => ({ ...status, where: fault.object, attached: false, fault })),
    ];
  }

  async #write(change: Partial<Pick<Firewall, 'pools' | 'gate'>>): Promise<void> {
    const before = this.#firewall;
    const after = { ...(before ?? { ...noFirewall(), ...this.#addresses.all() }), ...change };
    const addresses = this.#addresses.changes(after);
    const script = `${firewallScript(before, after) ?? ''}${addressScript(addresses)}`;
    if (script !== '') await this.#carryOut(script);
    for (const name of addressSets) {
      for (const address of addresses[name].gone) after[name].delete(address);
      for (const address of addresses[name].fresh) after[name].add(address);
    }
    this.#addresses.settle();
    this.#firewall = after;
  }

  /** What others have changed meanwhile has to be looked at. */
  async #carryOut(script: string): Promise<void> {
    const generation = rulesetGeneration();
    const known = generation !== undefined && generation === this.#generation;
    this.#generation = undefined;
    await writeFirewall(script);
    const next = rulesetGeneration();
    if (known && next === generation + 1) this.#generation = next;
  }

  #route(): void {
    const wanted = new Set(this.pools.map(formatPrefix));
    for (const pool of this.pools) addLocalRoute(pool);
    for (const { destination } of this.#localRoutes()) {
      if (!wanted.has(formatPrefix(destination))) removeLocalRoute(destination);
    }
  }

  #missingRoutes(): Fault[] {
    const there = new Set(this.#localRoutes().map(({ destination }) => formatPrefix(destination)));
    const missing = this.pools.find((pool) => !there.has(formatPrefix(pool)));
    if (missing === undefined) return [];
    return [faultOf(new Error('is not in table local'), `route ${formatPrefix(missing)}`)];
  }

  #localRoutes() {
    return routes({ type: 'local', table: localTable, protocol: ownProtocol });
  }
}
