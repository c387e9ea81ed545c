import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../ts/quickstart/child.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { MarathonSimulator, SimulatedApp } from './marathon.js';
import { simulatedTask } from './tasks.js';
import type { Json, World } from './world.js';

/** An agent of the world, and how a process is started there. */
export interface Place {
  readonly agent: string;
  readonly address: string;
  /** The command that runs `argv` there. */
  inside(argv: readonly string[]): readonly string[];
}

export interface DriverOptions {
  readonly framework: string;
  /** Between TASK_KILLING and the end of the process, milliseconds. */
  readonly graceMs: number;
}

interface Running {
  readonly id: string;
  readonly app: string;
  readonly place: Place;
  readonly port: number;
  readonly child: Child;
  ending: boolean;
}

const server = join(packageRoot, 'dist/ts/quickstart/server.js');

/** Does what a Marathon and its agents do: brings as many processes up as each app wants, and tells the world. */
export class Driver {
  readonly running = new Map<string, Running>();
  /** What still runs, unseen, at each agent that is lost. */
  readonly #lost = new Map<string, readonly Running[]>();
  #started = 0;

  constructor(
    private readonly world: World,
    private readonly marathon: MarathonSimulator,
    private readonly places: readonly Place[],
    private readonly options: DriverOptions,
  ) {
    marathon.onChange = (id) => this.settle(id);
  }

  /** Resolves when the app has as many instances as it wants, and those too many are gone. */
  async settle(id: string): Promise<void> {
    const app = this.marathon.apps.get(id);
    if (!app) return;
    const own = this.of(id).filter(({ ending }) => !ending);
    const missing = Array.from({ length: Math.max(0, app.instances - own.length) }, () => this.#start(app));
    await Promise.all([...missing, ...own.slice(app.instances).map((one) => this.kill(one.id))]);
    if (app.instances === 0) this.marathon.apps.delete(id);
    this.marathon.tell('deployment_success', { id });
  }

  of(app: string): readonly Running[] {
    return [...this.running.values()].filter((one) => one.app === app);
  }

  /** Ends a task as Mesos does: TASK_KILLING at once, then the process after its grace. */
  async kill(id: string): Promise<void> {
    const task = this.running.get(id);
    if (!task) return;
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
    await Promise.all([...new Set(gone.map(({ app }) => app))].map((app) => this.settle(app)));
  }

  /** It registers again, with what still runs there; what is too many then is ended. */
  async regain(agent: string): Promise<void> {
    const back = this.#lost.get(agent) ?? [];
    this.#lost.delete(agent);
    for (const task of back) this.running.set(task.id, task);
    this.world.addAgent(this.world.agents.get(agent)!);
    await Promise.all([...new Set(back.map(({ app }) => app))].map((app) => this.settle(app)));
  }

  async close(): Promise<void> {
    const all = [...this.running.values(), ...[...this.#lost.values()].flat()];
    this.running.clear();
    this.#lost.clear();
    await Promise.all(all.map(({ child }) => child.stop()));
  }

  async #start(app: SimulatedApp): Promise<void> {
    this.#started += 1;
    const left = this.places.filter(({ agent }) => !this.#lost.has(agent));
    const place = left[this.#started % left.length]!;
    const [id, port] = [`${taskName(app.id)}.instance-${this.#started}`, 31_000 + this.#started];
    const spec = { id, name: taskName(app.id), agent: place.agent, framework: this.options.framework };
    const ports = portsOf(app, port);
    const checked = Array.isArray(app.healthChecks) && app.healthChecks.length > 0;
    const staging = { ...spec, addresses: [place.address], ports, checked, resources: [[port, port]] as const };
    this.world.launch(simulatedTask({ ...staging, state: 'TASK_STAGING' }));
    const child = Child.start(place.inside([process.execPath, server, id, place.address, String(port)]));
    const task: Running = { id, app: app.id, place, port, child, ending: false };
    this.running.set(id, task);
    await child.wrote('listening');
    this.world.turn(id, 'TASK_RUNNING', containerStatus(place.address));
    if (checked) this.world.check(id, true);
    this.#list(app.id);
    void child.exited.then(() => task.ending || this.#failed(task));
  }

  #failed(task: Running): void {
    if (!this.running.has(task.id)) return;
    this.#over(task, 'TASK_FAILED');
    void this.settle(task.app);
  }

  #over(task: Running, state: string): void {
    this.running.delete(task.id);
    this.world.turn(task.id, state);
    this.#list(task.app);
  }

  #list(id: string): void {
    const app = this.marathon.apps.get(id);
    if (!app) return;
    app.tasks = this.of(id).map(({ id: task, place, port }) => ({
      id: task,
      host: place.address,
      slaveId: place.agent,
      ports: [port],
      state: this.world.tasks.get(task)?.message.state ?? 'TASK_RUNNING',
      healthCheckResults: [{ alive: true }],
    }));
    this.marathon.tell('status_update_event', { appId: id });
  }
}

function taskName(id: string): string {
  return id.split('/').filter(Boolean).reverse().join('.');
}

/** One port for each definition; the simulation gives all of them the one number it has. */
function portsOf(app: SimulatedApp, number: number) {
  const definitions = (app.portDefinitions ?? []) as {
    name?: string;
    protocol?: string;
    labels?: Record<string, string>;
  }[];
  return definitions.slice(0, 1).map((one) => ({ ...one, number }));
}

function containerStatus(address: string): Json {
  return { container_status: { network_infos: [{ ip_addresses: [{ ip_address: address, protocol: 'IPv4' }] }] } };
}
