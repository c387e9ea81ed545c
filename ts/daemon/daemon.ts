import { join } from 'node:path';
import type { Logger } from 'pino';
import { createHandlers } from '../api/handlers/handlers.js';
import type { ApiPorts } from '../api/ports.js';
import type { DoctorReport } from '../api/routes/node.js';
import { createServer } from '../api/server.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import { serveMetrics } from '../metrics/server.js';
import { formatPrefix, type Prefix } from '../model/address.js';
import { Closers } from './closers.js';
import { givenAddresses, nodeName } from './clustering.js';
import { Control } from './control.js';
import { forgetResolver, NameService } from './dns.js';
import { clearSocket, listenUnix } from './listen.js';
import type { Machine } from './machine.js';
import { Notifier } from './notify.js';
import type { DaemonOptions } from './options.js';
import { Planes } from './planes.js';
import { PlaneState } from './planestate.js';
import { apiPorts } from './ports.js';
import type { TaskSources } from './tasksources.js';

export interface DaemonModules {
  /** In the order of preference. */
  readonly planes: readonly DataPlane[];
  readonly machine: Machine;
  readonly logger: Logger;
  readonly version: string;
  /** The cgroup-v2 directory of the sock hook. */
  readonly cgroup: string;
  readonly doctor: (plane: Pick<DataPlane, 'hooks' | 'tables'>) => Promise<DoctorReport>;
}

const keepAliveMs = 15_000;

/** Room for a services file of 10,000 VIPs with 10 backends each. */
const bodyLimit = 64 << 20;

/** Passes of the loop that may be late before the watchdog is left to bite. */
const latePasses = 3;
const patienceMs = 30_000;

/**
 * The daemon from its first look at the kernel to its last. Resolves once the signal has aborted, or everything was torn
 * down on request, and all is closed; after an abort forwarding goes on. @throws VipdError when it cannot start
 */
export async function runDaemon(options: DaemonOptions, modules: DaemonModules, signal: AbortSignal): Promise<void> {
  const closers = new Closers(modules.logger);
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener('abort', end);
  try {
    if (signal.aborted) return;
    await new Daemon(options, modules, closers, ending).start();
    await aborted(ending.signal);
  } finally {
    signal.removeEventListener('abort', end);
    await closers.close();
  }
  modules.logger.info({}, 'stopped');
}

class Daemon {
  readonly #started = Date.now();
  #removed = false;

  constructor(
    private readonly options: DaemonOptions,
    private readonly modules: DaemonModules,
    private readonly closers: Closers,
    private readonly ending: AbortController,
  ) {}

  /** Every step undoes nothing of what an earlier daemon left, and what it takes it gives back through the closers. */
  async start(): Promise<void> {
    const { options, closers } = this;
    const { machine, logger } = this.modules;
    const lock = machine.claim();
    closers.add('lock', () => lock.release());
    // Where another daemon has the socket, this one must leave nothing behind.
    await clearSocket(options.socket);
    // Before anything is served: no packet for a VIP may ever leave the machine.
    machine.cover(options.pools);
    const planes = await this.#openPlanes();
    const plane = planes.active;
    const adopted = await plane.read();
    const tasks = await tasksOf(options);
    const control = new Control(options, { plane, machine, logger, adopted, tasks });
    closers.add('control', () => control.stop());
    control.listen();
    const names = options['dns.enabled'] ? await this.#names() : undefined;
    await this.#serve(control, planes, names);
    logger.info({ socket: options.socket, plane: plane.name, adopted: adopted.vips.size }, 'started');
    await control.begin(this.ending.signal);
    if (this.ending.signal.aborted) return;
    await planes.engage(
      () => control.intent.target(),
      () => control.reconciler.trigger(),
    );
    names?.follow(control);
    machine.uncover(missingFrom(options.pools, adopted.pools));
    this.#notifyReady(control);
    logger.info({ vips: control.reconciler.vips().length, hooks: plane.hooks() }, 'ready');
  }

  async #openPlanes(): Promise<Planes> {
    const { mode, drainTime, stateDir } = this.options;
    const { planes: all, logger } = this.modules;
    const state = new PlaneState(join(stateDir, 'plane.json'));
    const planes = new Planes({ mode, drainMs: drainTime }, { planes: all, state, logger });
    this.closers.add('data planes', () => (this.#removed ? undefined : planes.active.release()));
    this.closers.add('exchange of data planes', () => planes.stop());
    await planes.start();
    return planes;
  }

  /** Answers at once, with SERVFAIL for what is not known yet: a client that finds nobody would ask elsewhere. */
  async #names(): Promise<NameService> {
    const { machine, logger } = this.modules;
    const names = new NameService(this.options, { machine, logger });
    this.closers.add('DNS', () => names.stop());
    await names.start();
    return names;
  }

  async #serve(control: Control, planes: Planes, names: NameService | undefined): Promise<void> {
    const { version, cgroup, machine, logger } = this.modules;
    const teardown = () => this.#teardown(control, planes);
    const doctor = () => this.modules.doctor(planes.active);
    const given = givenAddresses(this.options);
    const addresses = () => (given.length > 0 ? given : machine.outwardAddresses());
    const self = () => ({ name: nodeName(this.options), addresses: addresses() });
    const node = { version, started: this.#started, cgroup, self, doctor, teardown };
    const ports = apiPorts(node, planes, control, names);
    await this.#serveApi(ports);
    const { listen } = this.options;
    if (listen === undefined) return;
    const server = await serveMetrics(listen, ports.node.metrics);
    this.closers.add('metrics', () => server.close());
    logger.info({ listen }, 'serving metrics');
  }

  async #serveApi(ports: ApiPorts): Promise<void> {
    const handlers = createHandlers(ports);
    const server = await createServer({ version: this.modules.version, keepAliveMs, bodyLimit }, handlers);
    this.closers.add('api', await listenUnix(server, this.options.socket));
  }

  async #teardown(control: Control, planes: Planes): Promise<void> {
    await control.stop();
    await planes.stop();
    const pools = await planes.active.pools();
    await planes.active.remove();
    this.#removed = true;
    this.modules.machine.uncover([...this.options.pools, ...missingFrom(this.options.pools, pools)]);
    forgetResolver(this.modules.machine, this.options, this.modules.logger);
    this.modules.logger.info({}, 'everything removed from the kernel');
    this.ending.abort();
  }

  #notifyReady(control: Control): void {
    const { machine } = this.modules;
    const notifier = new Notifier({ watchdog: process.env.WATCHDOG_USEC }, { send: (text) => machine.notify(text) });
    this.closers.add('service manager', () => notifier.stopping());
    const limit = latePasses * this.options.reconcileInterval + patienceMs;
    notifier.ready(() => Date.now() - (control.reconciler.status().lastPass ?? this.#started) < limit);
  }
}

/** The clients of cluster managers bring much to load at every start: only for who has one. */
async function tasksOf(options: DaemonOptions): Promise<TaskSources> {
  const configured = [options['mesos.agent.url'], ...options['mesos.master.urls'], ...options['marathon.urls']];
  if (configured.every((one) => one === undefined)) return { sources: [], close: async () => {} };
  const { taskSources } = await import('./tasksources.js');
  return taskSources(options);
}

/** The prefixes of `others` that are not among `pools`. */
function missingFrom(pools: readonly Prefix[], others: readonly Prefix[]): readonly Prefix[] {
  const known = new Set(pools.map(formatPrefix));
  return others.filter((prefix) => !known.has(formatPrefix(prefix)));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
