import { formatPrefix, type Prefix } from '../../model/address.js';
import type { ForwardedVip } from '../../model/forwarding.js';
import { addLocalRoute, localTable, ownProtocol, removeLocalRoute, routes } from '../../netlink/routes.js';
import { type Fault, faultOf } from '../../util/errors.js';
import type { HookStatus } from '../dataplane.js';
import { type Firewall, type Gate, noFirewall } from './firewall.js';
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

  /** Looks what the kernel has; before anything else, and whether it still has what we believe it has. */
  async look(): Promise<void> {
    this.#firewall = await readFirewall();
  }

  async setPools(pools: readonly Prefix[]): Promise<void> {
    await this.#write({ pools });
    if (this.gate !== undefined) this.#route();
  }

  /** Tells the firewall which addresses there are. */
  async setVips(vips: Iterable<ForwardedVip>): Promise<void> {
    const all = [...vips];
    const fullNat = all.filter(({ policy }) => policy?.forwarding === 'full-nat');
    await this.#write({
      vips: sameOr(this.#firewall?.vips, new Set(all.map(({ frontend }) => frontend.address))),
      backends: sameOr(this.#firewall?.backends, new Set(all.flatMap((vip) => vip.backends.map((one) => one.address)))),
      fullNat: sameOr(this.#firewall?.fullNat, new Set(fullNat.map(({ frontend }) => frontend.address))),
    });
  }

  /** From now on packets for the pools are IPVS's; what is set already is set again where it differs. */
  async open(gate: Gate): Promise<void> {
    const { settingsFile, kernelRelease } = this.options;
    const settings = applySettings(this.table, wantedSysctls(kernelRelease), settingsFile);
    this.#faults = new Map(settings.map((fault) => [fault.object, fault]));
    await this.#write({ gate });
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

  async #write(change: Partial<Firewall>): Promise<void> {
    const after = { ...(this.#firewall ?? noFirewall), ...change };
    await writeFirewall(this.#firewall, after);
    this.#firewall = after;
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

/** The set that is there, when the new one says the same. */
function sameOr(before: ReadonlySet<string> | undefined, after: ReadonlySet<string>): ReadonlySet<string> {
  return before?.size === after.size && [...after].every((one) => before.has(one)) ? before : after;
}
