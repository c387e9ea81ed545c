import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../ts/quickstart/child.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { SimulatedApp } from './apps.js';
import { TaskInstance } from './instance.js';
import type { MarathonSimulator } from './marathon.js';
import { placed } from './placement.js';
import { nextSteps } from './rolling.js';
import { simulatedTask } from './tasks.js';
import type { Json, World } from './world.js';

/** An agent of the world, and how a process is started there. */
export interface Place {
  readonly agent: string;
  readonly address: string;
  /** The command that runs `argv` there. */
  inside(argv: readonly string[]): readonly string[];
  /** One more address, for a task in a container network; absent where there are none to give. */
  own?(): string;
}

export interface DriverOptions {
  readonly framework: string;
  /** Between TASK_KILLING and the end of the process, milliseconds. */
  readonly graceMs: number;
  /** How many times as fast as in reality checks are made; default 1. */
  readonly clock?: number;
}

const server = join(packageRoot, 'dist/test/simulators/task-server.js');

/** Does what a Marathon and its agents do: brings as many processes up as each app wants, and tells the world. */
export class Driver {
  readonly running = new Map<string, TaskInstance>();
  /** What still runs, unseen, at each agent that is lost. */
  readonly #lost = new Map<string, readonly TaskInstance[]>();
  readonly #settling = new Map<string, Promise<void>>();
  #marathon: MarathonSimulator;
  #started = 0;
  #ports = 31_000;
  #closed = false;

  constructor(
    private readonly world: World,
    marathon: MarathonSimulator,
    private readonly places: readonly Place[],
    private readonly options: DriverOptions,
  ) {
    this.#marathon = marathon;
    this.follow(marathon);
  }

  /** Another Marathon leads: what its predecessor's checks have found is lost. */
  follow(marathon: MarathonSimulator): void {
    this.#marathon = marathon;
    marathon.hands = {
      change: (id) => this.settle(id),
      kill: (ids, scale) => this.#killAsked(ids, scale),
    };
    for (const one of this.running.values()) one.forget();
    for (const id of marathon.apps.keys()) this.#list(id);
  }

  /** Resolves when the app has as many instances as it wants, all of its present configuration and good, and no others. */
  settle(id: string): Promise<void> {
    const under = this.#settling.get(id);
    if (under) return under;
    const settled = this.#settle(id).finally(() => this.#settling.delete(id));
    this.#settling.set(id, settled);
    return settled;
  }

  of(app: string): readonly TaskInstance[] {
    return [...this.running.values()].filter((one) => one.app === app);
  }

  /** Ends a task as Mesos does: TASK_KILLING at once, then the process after its grace. */
  async kill(id: string): Promise<void> {
    const task = this.running.get(id);
    if (!task || task.ending) return;
    task.ending = true;
    this.world.turn(id, 'TASK_KILLING');
    await sleep(this.options.graceMs);
    await task.child.stop();
    this.#over(task, 'TASK_KILLED');
  }

  /** No place for new tasks; what runs there is somewhere else soon. */
  async lose(agent: string): Promise<void> {
    const gone = [...this.running.values()].filter(({ place }) => place.agent === agent);
    this.#lost.set(agent, gone);
    this.world.loseAgent(agent);
    for (const task of gone) this.running.delete(task.id);
    await this.#settleAll(gone);
  }

  /** It registers again, with what still runs there; what is too many then is ended. */
  async regain(agent: string): Promise<void> {
    const back = this.#lost.get(agent) ?? [];
    this.#lost.delete(agent);
    for (const task of back) this.running.set(task.id, task);
    this.world.addAgent(this.world.agents.get(agent)!);
    await this.#settleAll(back);
  }

  /** An operator gives an agent up for good, and with it whatever runs there. */
  async gone(agent: string): Promise<void> {
    const tasks = [...this.running.values()].filter(({ place }) => place.agent === agent);
    const all = [...tasks, ...(this.#lost.get(agent) ?? [])];
    this.#lost.set(agent, []);
    for (const task of all) {
      task.stop();
      this.running.delete(task.id);
    }
    this.world.markGone(agent);
    await Promise.all(all.map(({ child }) => child.stop()));
    await this.#settleAll(all);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.running.values(), ...[...this.#lost.values()].flat()];
    this.running.clear();
    this.#lost.clear();
    for (const task of all) task.stop();
    await Promise.all(all.map(({ child }) => child.stop()));
  }

  async #settle(id: string): Promise<void> {
    const under = new Set<Promise<void>>();
    let failure: unknown;
    const track = (work: Promise<void>): void => {
      const done = work.catch((error: unknown) => {
        failure ??= error;
      });
      under.add(done);
      void done.then(() => under.delete(done));
    };
    this.#marathon.tell('deployment_info', { plan: { id } });
    for (let app = this.#marathon.apps.get(id); app && !this.#closed; app = this.#marathon.apps.get(id)) {
      const own = this.of(id).filter(({ ending }) => !ending);
      const { start, end } = nextSteps(app, own);
      for (let i = 0; i < start; i += 1) track(this.#start(app));
      for (const one of end) track(this.kill(one.id));
      if (failure !== undefined) throw failure;
      const { instances, config } = app;
      if (under.size === 0 && own.length === instances && own.every((one) => one.good && one.config === config)) break;
      await Promise.race([...under, sleep(10)]);
    }
    if (this.#marathon.apps.get(id)?.instances === 0) this.#forget(id);
    this.#marathon.tell('deployment_success', { id });
  }

  #forget(id: string): void {
    this.#marathon.apps.delete(id);
    this.#marathon.tell('app_terminated_event', { appId: id });
  }

  async #settleAll(tasks: readonly TaskInstance[]): Promise<void> {
    await Promise.all([...new Set(tasks.map(({ app }) => app))].map((app) => this.settle(app)));
  }

  async #killAsked(ids: readonly string[], scale: boolean): Promise<void> {
    const tasks = ids.flatMap((id) => this.running.get(id) ?? []);
    for (const { app } of scale ? tasks : []) {
      const { instances } = this.#marathon.apps.get(app)!;
      this.#marathon.put({ id: app, instances: Math.max(0, instances - 1) });
    }
    const kills = tasks.map(({ id }) => this.kill(id));
    await this.#settleAll(tasks);
    await Promise.all(kills);
  }

  async #start(app: SimulatedApp): Promise<void> {
    this.#started += 1;
    const left = this.places.filter(({ agent }) => !this.#lost.has(agent));
    const place = left[this.#started % left.length]!;
    const id = `${taskName(app.id)}.instance-${this.#started}`;
    const placement = placed(app, place, () => {
      this.#ports += 1;
      return this.#ports;
    });
    const env = (app.env ?? {}) as NodeJS.ProcessEnv;
    const child = Child.start(place.inside([process.execPath, server, id, ...placement.sockets]), { env });
    const task = new TaskInstance(id, app, place, placement, child);
    this.running.set(id, task);
    this.#launch(task, app);
    await child.wrote('listening');
    this.world.turn(id, 'TASK_RUNNING', containerStatus(placement.address));
    this.#list(app.id);
    task.watch(this.options.clock ?? 1, {
      changed: (one) => this.#found(one),
      hopeless: (one) => void this.#replace(one),
    });
    void child.exited.then(() => task.ending || this.#failed(task));
  }

  #launch({ id, place, placement, checkedByMesos }: TaskInstance, app: SimulatedApp): void {
    const { address, hostPorts, ports, mappings } = placement;
    const docker = (app.container as { type?: string } | null | undefined)?.type === 'DOCKER';
    const spec = { id, name: taskName(app.id), agent: place.agent, framework: this.options.framework };
    const more = { addresses: [address], ports, checked: checkedByMesos, docker };
    const resources = hostPorts.map((port) => [port, port] as const);
    const mapped = mappings.length > 0 && { mappings };
    this.world.launch(simulatedTask({ ...spec, ...more, resources, ...mapped, state: 'TASK_STAGING' }));
  }

  /** A check has found something else: Mesos tells of its own, Marathon of all. */
  #found(task: TaskInstance): void {
    const { id, app, healthy } = task;
    if (task.checkedByMesos && healthy !== undefined) this.world.check(id, healthy);
    this.#list(app);
    this.#marathon.tell('health_status_changed_event', { appId: app, instanceId: id, alive: healthy === true });
    this.#marathon.tell('instance_health_changed_event', { runSpecId: app, instanceId: id, healthy });
  }

  async #replace(task: TaskInstance): Promise<void> {
    this.#marathon.tell('unhealthy_instance_kill_event', { appId: task.app, instanceId: task.id });
    await Promise.all([this.kill(task.id), this.settle(task.app)]);
  }

  #failed(task: TaskInstance): void {
    if (!this.running.has(task.id)) return;
    this.#over(task, 'TASK_FAILED');
    void this.settle(task.app);
  }

  #over(task: TaskInstance, state: string): void {
    task.stop();
    this.running.delete(task.id);
    this.world.turn(task.id, state);
    this.#list(task.app);
  }

  #list(id: string): void {
    const app = this.#marathon.apps.get(id);
    if (!app) return;
    const own = this.of(id);
    app.tasks = own.map((one) => this.#listed(one));
    app.readinessCheckResults = own.map(({ readiness }) => readiness);
    this.#marathon.tell('status_update_event', { appId: id });
  }

  #listed({ id, place, placement, version, results, checked }: TaskInstance): Json {
    return {
      id,
      host: place.address,
      slaveId: place.agent,
      ports: placement.hostPorts,
      ipAddresses: [{ ipAddress: placement.address, protocol: 'IPv4' }],
      state: this.world.tasks.get(id)?.message.state ?? 'TASK_RUNNING',
      version,
      ...(checked && { healthCheckResults: results.map((one) => one ?? null) }),
    };
  }
}

function taskName(id: string): string {
  return id.split('/').filter(Boolean).reverse().join('.');
}

function containerStatus(address: string): Json {
  return { container_status: { network_infos: [{ ip_addresses: [{ ip_address: address, protocol: 'IPv4' }] }] } };
}
