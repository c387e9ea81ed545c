import { availableParallelism } from 'node:os';
import { OwnAddresses } from '../dns/addresses.js';
import { Dns, type DnsOptions } from '../dns/dns.js';
import { HostConf, type HostConfOptions, originalServers } from '../dns/host-conf.js';
import { nameText } from '../dns/name.js';
import { resolvConfPlaces, systemServers } from '../dns/resolv-conf.js';
import { ResolvedLink, resolvedInCharge } from '../dns/resolved.js';
import type { Zone } from '../dns/zone.js';
import { type Endpoint, formatEndpoint } from '../model/address.js';
import type { Names } from '../model/names.js';
import type { TaskTable } from '../model/task.js';
import type { Fault } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { type Collector, counter, single } from '../util/metric.js';
import type { Machine } from './machine.js';
import type { DaemonOptions } from './options.js';

export interface NameServiceModules {
  readonly machine: Pick<Machine, 'outwardAddresses'>;
  readonly logger: Logger;
}

/** What the rest of the daemon knows. */
export interface Followed {
  readonly reconciler: { onPass(listener: () => void): () => void };
  readonly sources: {
    tasks(): TaskTable;
    /** Whether all of them have been heard of. */
    reported(): boolean;
  };
  names(): Names;
}

/** The servers of the machine, and its addresses, are looked at again this often. */
const serversMs = 5_000;
const nodeMs = 60_000;

/** As the original: seconds. */
const ttl = 5;
const receiveBuffer = 1 << 20;
/** With so many one of them can be left to receiving and sending. */
const manyCpus = 4;
const dayMs = 86_400_000;
const limits = { maxConnections: 1_024, maxPipelined: 128 };
const questions = { maxQuestions: 10_000, maxWaiting: 50_000 };

/** The resolver of a daemon, and what it has to know of the node. */
export class NameService {
  readonly dns: Dns;
  readonly addresses: OwnAddresses;
  #timers: NodeJS.Timeout[] = [];

  readonly #hostConf: HostConf | undefined;
  readonly #resolved: ResolvedLink | undefined;
  #unfollow = () => {};

  constructor(
    private readonly options: DaemonOptions,
    private readonly modules: NameServiceModules,
  ) {
    const { logger } = modules;
    this.dns = new Dns(dnsOptions(options), { logger });
    const listen = options['dns.listen'].map(({ address }) => address);
    this.addresses = new OwnAddresses({ addresses: listen, device: options['dns.device'] }, { logger });
    if (!options['dns.resolvConf']) return;
    this.#hostConf = new HostConf(hostConfOptions(options), { logger });
    const suffixes = [...this.dns.zones.routing.entries()].map(([suffix]) => suffix);
    const { path, servers } = hostConfOptions(options);
    this.#resolved = new ResolvedLink({ device: options['dns.device'], servers, suffixes, path }, { logger });
  }

  /** Answers from now on; names of VIPs and tasks once they are known, with SERVFAIL before. */
  async start(): Promise<void> {
    this.addresses.start();
    this.#servers();
    this.#node();
    this.#timers = [setInterval(() => this.#servers(), serversMs), setInterval(() => this.#node(), nodeMs)];
    for (const timer of this.#timers) timer.unref();
    await this.dns.open();
  }

  /** Publishes names from now on: of VIPs once they forward, of tasks once the cluster has been heard of. */
  follow(known: Followed): void {
    const { zones } = this.dns;
    const publishNames = () =>
      this.#timed(zones.vips.zone, () => zones.setNames(known.names(), known.sources.reported()));
    const publishTasks = () => {
      const table = known.sources.tasks();
      const heard = table.leader !== undefined || table.agents.size > 0;
      if (heard && zones.tasks !== undefined) this.#timed(zones.tasks.zone, () => zones.setTasks(table));
    };
    // The kernel comes first: every change of the sources has a pass.
    const unsubscribe = [known.reconciler.onPass(publishNames), known.reconciler.onPass(publishTasks)];
    this.#unfollow = () => unsubscribe.forEach((stop) => void stop());
    publishNames();
    publishTasks();
    this.#servers();
  }

  /** Counts how long a change of a zone took; what changed nothing is not counted. */
  #timed(zone: Zone, publish: () => void): void {
    const [before, started] = [zone.serial, performance.now()];
    publish();
    if (zone.serial === before) return;
    this.dns.counts.pushed(nameText(zone.apex), (performance.now() - started) / 1000);
  }

  faults(): readonly Fault[] {
    return [
      ...this.addresses.faults(),
      ...this.dns.faults(),
      ...[this.#hostConf?.fault(), this.#resolved?.fault()].flatMap((fault) => fault ?? []),
    ];
  }

  readonly collect: Collector = async () => [
    ...(await this.dns.collect()),
    counter(
      'vipd_dns_addresses_restored_total',
      'Addresses put back after somebody removed them',
      single(this.addresses.restored),
    ),
  ];

  async stop(): Promise<void> {
    this.#unfollow();
    this.#hostConf?.release();
    await this.#resolved?.release();
    for (const timer of this.#timers) clearInterval(timer);
    this.addresses.stop();
    this.dns.close();
  }

  #node(): void {
    const given = this.options['dns.nodeAddresses'];
    const inside = given.length > 0 ? given : this.modules.machine.outwardAddresses();
    this.dns.zones.setNode(inside, this.options['dns.publicAddresses']);
  }

  /** While resolv.conf is ours the servers are those of the original. */
  #servers(): void {
    const { options } = this;
    const given = options['dns.upstreams'];
    const found = given.length > 0 ? given : systemServers(resolvConfPlaces, options['dns.listen']);
    const kept = () => originalServers(hostConfOptions(options)).map((address) => ({ address, port: 53 }));
    this.dns.setUpstreams(found.length > 0 ? found : kept());
    if (this.dns.zones.complete) this.#beNamed();
  }

  /** To the C library of the node, or to who answers it. */
  #beNamed(): void {
    const resolved = this.#hostConf !== undefined && resolvedInCharge(hostConfOptions(this.options).path);
    if (resolved) void this.#resolved?.hold();
    else this.#hostConf?.hold();
  }
}

function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map((one) => [formatEndpoint(one), one])).values()];
}

function hostConfOptions(options: DaemonOptions): HostConfOptions {
  return {
    path: '/etc/resolv.conf',
    saved: `${options.stateDir}/resolv.conf.original`,
    servers: options['dns.listen'].filter(({ port }) => port === 53).map(({ address }) => address),
  };
}

/** Leaves the machine as it was before there was a resolver. */
export function forgetResolver(machine: Pick<Machine, 'forgetResolver'>, options: DaemonOptions, logger: Logger): void {
  new HostConf(hostConfOptions(options), { logger }).release();
  const listen = options['dns.listen'].map(({ address }) => address);
  machine.forgetResolver(options['dns.device'], listen);
}

/** Without a source that sees the whole cluster the zones would never be filled, and every name in them fail. */
function answersTasks(options: DaemonOptions): boolean {
  const asked = options['dns.tasks'];
  return asked === 'auto' ? options['mesos.master.urls'].length > 0 : asked;
}

function dnsOptions(options: DaemonOptions): DnsOptions {
  const mesos = { mesosTtl: Math.ceil(options['dns.mesosTtl'] / 1000), parity: options['dns.mesosParity'] };
  return {
    endpoints: distinct([...options['dns.listen'], ...options['dns.intercept']]),
    socketsEach: options['dns.sockets'] || (availableParallelism() < manyCpus ? 1 : 2),
    receiveBuffer,
    ...limits,
    order: options['dns.order'],
    udpCeiling: options['dns.udpSize'],
    forward: new Map(options['dns.forward'].map(({ suffix, servers }) => [suffix, servers])),
    recursor: {
      bytes: options['dns.cacheMiB'] * (1 << 20),
      staleMs: options['dns.serveStale'] ? dayMs : 0,
      serveStale: options['dns.serveStale'],
      ...questions,
    },
    zones: {
      suffix: options['dns.suffix'],
      ttl,
      pools: options.pools,
      clusterId: options['dns.clusterId'],
      zones: options['dns.zones'],
      records: options['dns.records'],
      tasks: answersTasks(options) ? mesos : undefined,
    },
  };
}
