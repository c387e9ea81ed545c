import { EventEmitter } from 'node:events';

/** Messages in the form of the Mesos v1 operator API's JSON. */
export type Json = Record<string, unknown>;

export interface SimulatedTask {
  readonly id: string;
  readonly frameworkId: string;
  readonly agentId: string;
  /** As its agent knows it: the Task message. */
  readonly message: Json & { state: string; statuses: Json[] };
}

export interface SimulatedAgent {
  readonly id: string;
  readonly hostname: string;
  readonly port: number;
  /** Whether the master counts it in. */
  registered: boolean;
}

export interface SimulatedFramework {
  readonly id: string;
  readonly name: string;
  /** Of a scheduler that speaks libprocess. */
  readonly pid?: string;
}

/** An event of the master's stream, as its JSON is: `{ type, task_added: {...} }`. */
export type MasterEvent = Json & { readonly type: string };

const TERMINAL = /FINISHED|FAILED|KILLED|LOST|ERROR|DROPPED|GONE/;

/** What is so in a simulated Mesos cluster. Masters and agents answer from it and tell its changes. */
export class World extends EventEmitter<{ event: [MasterEvent] }> {
  readonly agents = new Map<string, SimulatedAgent>();
  readonly frameworks = new Map<string, SimulatedFramework>();
  readonly tasks = new Map<string, SimulatedTask>();
  /** Schedulers are slow to acknowledge: an update says the state before in its status, the one now beside it. */
  lateStatus = false;
  /** Frameworks, and tasks whose checks, the leader has not heard of since it took over. */
  readonly #unknown = new Set<string>();
  readonly #unchecked = new Set<string>();
  #clock = 1_700_000_000;

  addFramework(id: string, name: string, pid?: string): SimulatedFramework {
    const framework = { id, name, ...(pid === undefined ? {} : { pid }) };
    this.frameworks.set(id, framework);
    this.tell({ type: 'FRAMEWORK_ADDED', framework_added: { framework: frameworkMessage(framework) } });
    return framework;
  }

  /**
   * Another master leads: it knows the agents from before, and waits for them; frameworks and tasks it will know from
   * them, and what checks have found only from the next update. Returns the ids of those agents.
   */
  takeOver(): readonly string[] {
    const before = [...this.agents.values()].filter(({ registered }) => registered);
    for (const agent of before) agent.registered = false;
    for (const id of this.frameworks.keys()) this.#unknown.add(id);
    for (const id of this.tasks.keys()) this.#unchecked.add(id);
    return before.map(({ id }) => id);
  }

  /** Frameworks the leader knows. */
  knownFrameworks(): readonly SimulatedFramework[] {
    return [...this.frameworks.values()].filter(({ id }) => !this.#unknown.has(id));
  }

  /** A task as the leader knows it. */
  atMaster({ id, message }: SimulatedTask): Json {
    if (!this.#unchecked.has(id)) return message;
    return { ...message, statuses: message.statuses.map(({ healthy: _, ...rest }) => rest) };
  }

  /**
   * Registers it, with the frameworks it recovers and the tasks it brings along: these are told before the agent is, as by
   * the real master.
   */
  addAgent(agent: Omit<SimulatedAgent, 'registered'>): SimulatedAgent {
    const known = this.agents.get(agent.id) ?? { ...agent, registered: false };
    known.registered = true;
    this.agents.set(agent.id, known);
    const tasks = this.tasksOf(agent.id);
    for (const { frameworkId } of tasks) this.#recover(frameworkId);
    for (const task of tasks) this.tell({ type: 'TASK_ADDED', task_added: { task: this.atMaster(task) } });
    this.tell({ type: 'AGENT_ADDED', agent_added: { agent: agentMessage(known) } });
    return known;
  }

  /** The master has lost it: its tasks are unreachable, for the master alone. */
  loseAgent(id: string): void {
    const agent = this.agents.get(id)!;
    agent.registered = false;
    for (const task of this.tasksOf(id)) this.#tellUpdate(task, 'TASK_UNREACHABLE');
    this.tell({ type: 'AGENT_REMOVED', agent_removed: { agent_id: { value: id } } });
  }

  /** An operator has said that it never comes back, nor its tasks. */
  markGone(id: string): void {
    for (const task of this.tasksOf(id)) this.turn(task.id, 'TASK_GONE_BY_OPERATOR');
    if (this.agents.get(id)?.registered)
      this.tell({ type: 'AGENT_REMOVED', agent_removed: { agent_id: { value: id } } });
    this.agents.delete(id);
  }

  launch(task: SimulatedTask): SimulatedTask {
    this.tasks.set(task.id, task);
    this.tell({ type: 'TASK_ADDED', task_added: { task: task.message } });
    return task;
  }

  /** Another state, with what its status says beyond it. */
  turn(id: string, state: string, more: Json = {}): void {
    const task = this.tasks.get(id);
    if (!task) return;
    const acknowledged = this.lateStatus ? task.message.state : state;
    task.message.state = state;
    this.#clock += 1;
    this.#unchecked.delete(id);
    const last = task.message.statuses.at(-1) ?? {};
    const status = { ...last, task_id: { value: id }, state: acknowledged, timestamp: this.#clock, ...more };
    task.message.statuses.push(status);
    this.tell({ type: 'TASK_UPDATED', task_updated: { framework_id: { value: task.frameworkId }, status, state } });
    if (TERMINAL.test(state)) this.tasks.delete(id);
  }

  /** A check has found something: an update without a change of state. */
  check(id: string, healthy: boolean): void {
    const task = this.tasks.get(id);
    if (task) this.turn(id, task.message.state, { healthy, reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED' });
  }

  tasksOf(agentId: string): readonly SimulatedTask[] {
    return [...this.tasks.values()].filter((task) => task.agentId === agentId);
  }

  tell(event: MasterEvent): void {
    this.emit('event', event);
  }

  /** A scheduler that has not come back itself yet is known by the tasks that agents bring. */
  #recover(frameworkId: string): void {
    const framework = this.frameworks.get(frameworkId);
    if (!framework || !this.#unknown.delete(frameworkId)) return;
    const message = { ...frameworkMessage(framework), connected: false, recovered: true };
    this.tell({ type: 'FRAMEWORK_ADDED', framework_added: { framework: message } });
  }

  #tellUpdate(task: SimulatedTask, state: string): void {
    const status = { task_id: { value: task.id }, state, timestamp: this.#clock };
    this.tell({ type: 'TASK_UPDATED', task_updated: { framework_id: { value: task.frameworkId }, status, state } });
  }
}

export function frameworkMessage({ id, name }: SimulatedFramework): Json {
  return { framework_info: { id: { value: id }, name, user: 'root' }, active: true, connected: true, recovered: false };
}

export function agentInfo({ id, hostname, port }: SimulatedAgent): Json {
  return { id: { value: id }, hostname, port };
}

export function agentMessage(agent: SimulatedAgent): Json {
  const pid = `slave(1)@${agent.hostname}:${agent.port}`;
  return { agent_info: agentInfo(agent), active: true, version: '1.11.0', pid };
}
