import { type Endpoint, formatEndpoint } from '../model/address.js';
import { holderOf } from '../netlink/devices.js';
import type { Fault } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { Counts } from './counts.js';
import { type Explanation, explain } from './explain.js';
import { Group } from './group.js';
import { Listeners, type ListenersOptions } from './listeners.js';
import { dnsCollector } from './metrics.js';
import { type NameKey, nameText } from './name.js';
import { Recursor, type RecursorOptions } from './recursor.js';
import { Resolver } from './resolver.js';
import { type Order, Responder } from './responder.js';
import { defaultGroup } from './routing.js';
import { Zones, type ZonesOptions } from './zones.js';

export interface DnsOptions extends Omit<ListenersOptions, 'endpoints'> {
  readonly endpoints: readonly Endpoint[];
  readonly order: Order;
  readonly udpCeiling: number;
  readonly recursor: RecursorOptions;
  readonly zones: Omit<ZonesOptions, 'forwarded' | 'servers'>;
  /** Servers by suffix. */
  readonly forward: ReadonlyMap<NameKey, readonly Endpoint[]>;
}

/** The resolver of this node: zones of its own, a cache, other resolvers, and the sockets that all of it is reached by. */
export class Dns {
  readonly zones: Zones;
  readonly recursor: Recursor;
  readonly groups: ReadonlyMap<string, Group>;
  readonly listeners: Listeners;
  readonly counts = new Counts();
  #loops: readonly Fault[] = [];

  constructor(
    private readonly options: DnsOptions,
    modules: { readonly logger: Logger },
  ) {
    const { endpoints, forward, order, udpCeiling } = options;
    this.zones = new Zones({
      ...options.zones,
      servers: endpoints.map(({ address }) => address),
      forwarded: [...forward.keys()],
    });
    const names = [defaultGroup, ...forward.keys()];
    this.groups = new Map(names.map((name) => [name, new Group(name, this.counts)]));
    this.recursor = new Recursor(options.recursor, { groups: this.groups, now: () => performance.now() });
    const recursion = () => this.recursor.knows(defaultGroup);
    const responder = new Responder({ order, udpCeiling, recursion }, this.zones.routing);
    const resolver = new Resolver({ udpCeiling }, { responder, recursor: this.recursor, observer: this.counts });
    const handler = resolver.handle.bind(resolver);
    this.listeners = new Listeners(options, { handler, logger: modules.logger });
    this.setUpstreams([]);
  }

  /** Servers for the rest of the world; those that are this resolver itself are left out, and shown as faults. */
  setUpstreams(servers: readonly Endpoint[]): void {
    const loops: Fault[] = [];
    const set = (name: string, some: readonly Endpoint[]) => {
      const [own, others] = [some.filter((one) => this.#isOwn(one)), some.filter((one) => !this.#isOwn(one))];
      this.groups.get(name)?.set(others);
      loops.push(...own.map((one) => loop(name, one)));
    };
    for (const [suffix, some] of this.options.forward) set(suffix, some);
    set(defaultGroup, servers);
    this.#loops = loops;
  }

  /** Resolves when every address has been tried. */
  open(): Promise<void> {
    return this.listeners.open();
  }

  explain(name: string, type: number): Promise<Explanation> {
    return explain(this, name, type);
  }

  faults(): readonly Fault[] {
    return [...this.listeners.status().flatMap(({ fault }) => fault ?? []), ...this.#loops];
  }

  readonly collect = dnsCollector(this);

  close(): void {
    this.listeners.close();
    for (const group of this.groups.values()) group.close();
  }

  #isOwn(server: Endpoint): boolean {
    const here = (address: string) => address === server.address || (isWildcard(address) && isLocal(server.address));
    return this.options.endpoints.some(({ address, port }) => port === server.port && here(address));
  }
}

const isWildcard = (address: string) => address === '0.0.0.0' || address === '::';

function isLocal(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || holderOf(address) !== undefined;
}

function loop(group: string, server: Endpoint): Fault {
  const whose = group === defaultGroup ? 'the upstreams' : `the servers for ${nameText(group)}`;
  return {
    code: 'DNS_LOOP',
    object: `server ${formatEndpoint(server)}`,
    cause: `it is this resolver itself, so it is left out of ${whose}`,
    hint: 'name the resolvers of your network',
  };
}
