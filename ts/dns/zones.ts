import type { Prefix } from '../model/address.js';
import type { NameEntry, Names } from '../model/names.js';
import type { TaskTable } from '../model/task.js';
import { differences } from '../util/differences.js';
import { type Entry, Ledger } from './ledger.js';
import { isWithin, type NameKey, nameKey } from './name.js';
import { address, cname, type RecordData } from './record.js';
import { ReverseBook } from './reverse-book.js';
import { Routing } from './routing.js';
import { TaskZones } from './task-zones.js';
import { forwardingAddresses, vipEntries, vipKeyName } from './vip-records.js';
import { Zone } from './zone.js';

export interface ZonesOptions {
  /** `thisdcos.directory` */
  readonly suffix: string;
  /** Of records of VIPs and tasks, seconds. */
  readonly ttl: number;
  readonly pools: readonly Prefix[];
  /** Where the resolver listens. */
  readonly servers: readonly string[];
  /** In z-base-32; names below `ID.dcos.directory` are then ours as well. */
  readonly clusterId: string | undefined;
  /** Zones of the configuration, by name; what is not among the records does not exist. */
  readonly zones: readonly NameKey[];
  /** Records of the configuration. */
  readonly records: readonly Entry[];
  /** Suffixes that are asked of others. */
  readonly forwarded: readonly NameKey[];
  /** Whether there is a source of tasks; without one their zones are left to others. */
  readonly tasks: { readonly mesosTtl: number; readonly parity: boolean } | undefined;
}

/** TTLs of what hardly ever changes, seconds. */
const longTtl = 3_600;
export const shippedSuffix = 'thisdcos.directory';

/** Everything this node answers by itself, and where the rest is asked. */
export class Zones {
  readonly routing = new Routing();
  readonly vips: Ledger;
  readonly node: Ledger;
  readonly reverse: ReverseBook;
  readonly tasks: TaskZones | undefined;
  readonly #fixed: Ledger[] = [];
  #names: Names = new Map();
  #nodeState = '';

  constructor(private readonly options: ZonesOptions) {
    const { suffix, ttl } = options;
    // Who listens everywhere has no address to be found under.
    const servers = options.servers.filter((one) => one !== '0.0.0.0' && one !== '::');
    this.#localhost();
    this.#add('spartan', 'built in', ttl, [
      ['ready.spartan', address('127.0.0.1')],
      ...servers.map((server): [string, RecordData] => ['ns.spartan', address(server)]),
    ]);
    this.#add(suffix, 'built in', ttl, []);
    this.#add(`component.${suffix}`, 'built in', ttl, [
      [`registry.component.${suffix}`, cname(nameKey(`master.mesos.${suffix}`))],
    ]);
    this.vips = this.#ledger(`l4lb.${suffix}`, 'named VIPs', ttl);
    this.node = this.#ledger(`thisnode.${suffix}`, 'addresses of this node', ttl);
    this.reverse = new ReverseBook({ pools: options.pools, ttl });
    for (const zone of this.reverse.zones) this.routing.set(zone.apex, { to: 'zone', zone });
    this.tasks = options.tasks && new TaskZones({ ...options, ...options.tasks, servers }, this.routing, this.reverse);
    this.#configured();
    this.#aliases();
    for (const apex of options.forwarded) this.routing.set(apex, { to: 'servers', group: apex });
    this.reverse.set(
      'built in',
      ['127.0.0.1', '::1'].map((loopback) => ({ address: loopback, name: nameKey('localhost') })),
    );
    this.reverse.set(
      'this resolver',
      servers.map((server) => ({ address: server, name: nameKey('ns.spartan') })),
    );
    for (const { zone } of this.#fixed) zone.ready = true;
    this.#readiness();
  }

  /** What became of named VIPs. They are known from now on; all of them, if it is complete. */
  setNames(names: Names, complete = true): void {
    const { gone, come } = differences(this.#names, names);
    const before = this.#names;
    this.#names = names;
    const suffix = `l4lb.${this.options.suffix}`;
    for (const [text] of gone) if (!names.has(text)) this.#withdraw(`VIP ${text}`);
    for (const [text, entry] of come) {
      const last = before.get(text);
      if (last === undefined || stateOf(last) !== stateOf(entry)) this.#publish(`VIP ${text}`, entry, suffix);
    }
    for (const zone of [this.vips.zone, ...this.reverse.zones]) {
      zone.ready = true;
      zone.complete = complete;
    }
    this.#readiness();
  }

  setTasks(table: TaskTable): void {
    this.tasks?.set(table);
    this.#readiness();
  }

  /** The node's own addresses; those for the outside may be others. */
  setNode(inside: readonly string[], outside: readonly string[]): void {
    const state = JSON.stringify([inside, outside]);
    if (state === this.#nodeState) return;
    this.#nodeState = state;
    const own = nameKey(`thisnode.${this.options.suffix}`);
    const all = nameKey(`public.thisnode.${this.options.suffix}`);
    this.node.set('this node', [
      ...inside.map((one) => ({ name: own, data: address(one) })),
      ...outside.map((one) => ({ name: all, data: address(one) })),
    ]);
    this.reverse.set(
      'this node',
      inside.map((one) => ({ address: one, name: own })),
    );
    this.node.zone.ready = true;
    this.#readiness();
  }

  /** A named VIP, forwarding or not. */
  vipAt(key: NameKey): NameEntry | undefined {
    const zone = `l4lb.${this.options.suffix}`;
    if (!isWithin(key, this.vips.zone.apex)) return undefined;
    return [...this.#names.values()].find((entry) => vipKeyName(entry, zone) === key);
  }

  /** Who gave a record. */
  ownersOf(name: NameKey, data: RecordData): readonly string[] {
    const ledgers = [this.vips, this.node, ...this.#fixed, ...(this.tasks?.ledgers ?? [])];
    const owners = ledgers.flatMap((ledger) => (isWithin(name, ledger.zone.apex) ? ledger.ownersOf(name, data) : []));
    return [...new Set([...owners, ...this.reverse.ownersOf(name, data)])];
  }

  #withdraw(owner: string): void {
    this.vips.delete(owner);
    this.reverse.set(owner, []);
  }

  #publish(owner: string, entry: NameEntry, zone: string): void {
    this.vips.set(owner, vipEntries(entry, zone));
    const name = vipKeyName(entry, zone);
    const known = forwardingAddresses(entry).map((one) => ({ address: one, name: name! }));
    this.reverse.set(owner, name === undefined ? [] : known);
  }

  /** Whether every zone is filled. */
  get complete(): boolean {
    const spartan = this.routing.find(nameKey('ready.spartan')).to;
    return spartan.to === 'zone' && spartan.zone.ready;
  }

  /** The watchdog's name is known when all others are. */
  #readiness(): void {
    const spartan = this.routing.find(nameKey('spartan')).to;
    if (spartan.to !== 'zone') return;
    spartan.zone.ready = this.routing.zones().every((zone) => (zone.ready && zone.complete) || zone === spartan.zone);
  }

  #configured(): void {
    const { zones, records, ttl } = this.options;
    for (const apex of zones)
      this.#fixed.push(this.#routed(new Zone({ apex, kind: 'authority', ttl, origin: 'configuration' })));
    const apexes = new Set(records.map(({ name }) => zones.find((apex) => isWithin(name, apex)) ?? name));
    for (const apex of apexes) {
      const known = this.#fixed.find(({ zone }) => zone.apex === apex);
      const ledger = known ?? this.#routed(new Zone({ apex, kind: 'overlay', ttl, origin: 'configuration' }));
      if (known === undefined) this.#fixed.push(ledger);
      const own =
        known === undefined
          ? records.filter(({ name }) => name === apex)
          : records.filter(({ name }) => isWithin(name, apex));
      ledger.set('configuration', own);
    }
  }

  #localhost(): void {
    const apex = nameKey('localhost');
    const zone = new Zone({ apex, kind: 'authority', ttl: longTtl, uniform: true, origin: 'built in' });
    const ledger = this.#routed(zone);
    ledger.set(
      'built in',
      ['127.0.0.1', '::1'].map((loopback) => ({ name: apex, data: address(loopback) })),
    );
    this.#fixed.push(ledger);
  }

  /** Names that DC/OS knows for the same. */
  #aliases(): void {
    const { suffix, clusterId } = this.options;
    const [base, vips] = [nameKey(suffix), nameKey(`l4lb.${suffix}`)];
    const below = [suffix];
    if (suffix === shippedSuffix) below.push('thisdcos.global');
    if (clusterId !== undefined) below.push(`${clusterId}.dcos.directory`);
    for (const name of below) {
      this.routing.set(nameKey(`dclb.${name}`), { to: 'alias', suffix: vips });
      if (name !== suffix) this.routing.set(nameKey(name), { to: 'alias', suffix: base });
    }
    const mesos = nameKey('mesos');
    if (this.tasks === undefined && !this.options.forwarded.includes(mesos)) return;
    this.routing.set(nameKey(`mesos.${suffix}`), { to: 'alias', suffix: mesos });
  }

  #add(apex: string, origin: string, ttl: number, records: readonly (readonly [string, RecordData])[]): void {
    const ledger = this.#ledger(apex, origin, ttl);
    ledger.set(
      origin,
      records.map(([name, data]) => ({ name: nameKey(name), data })),
    );
    this.#fixed.push(ledger);
  }

  #ledger(apex: string, origin: string, ttl: number): Ledger {
    return this.#routed(new Zone({ apex: nameKey(apex), kind: 'authority', ttl, origin }));
  }

  #routed(zone: Zone): Ledger {
    this.routing.set(zone.apex, { to: 'zone', zone });
    return new Ledger(zone);
  }
}

/** What of it is published. */
function stateOf({ v4, v6, ports }: NameEntry): string {
  return JSON.stringify([v4, v6, ports]);
}
