import { NO_TASKS, type Task, type TaskTable, taskKey } from '../../model/task.js';
import { agentOf, frameworkOf, readPid } from './agents.js';
import { TaskBook } from './book.js';
import { type MasterEvent, readers } from './wire.js';

/** How long a leader that has just taken over is given, milliseconds. */
export interface Grace {
  /** For its agents to register again. */
  readonly agentsMs: number;
  /** Then for tasks whose agent or framework is not known. */
  readonly tasksMs: number;
}

export const documentedGrace: Grace = { agentsMs: 600_000, tasksMs: 10_000 };

/**
 * `subscribing` until there is a snapshot; `agents` while agents that the leader knows from before have not registered
 * again; `tasks` while tasks wait for their agent or framework; then `serving`.
 */
export type Phase = 'subscribing' | 'agents' | 'tasks' | 'serving';

/**
 * A master's stream as a table of tasks. After a change of leader what is not known again yet stays as it was before, so
 * that a leader that is still learning takes nothing away.
 */
export class MasterMirror {
  readonly book: TaskBook;
  readonly #before: TaskTable;
  readonly #grace: Grace;
  readonly #recovered = new Set<string>();
  #pids: ReadonlyMap<string, string> = new Map();
  #subscribedAt: number | undefined;
  #agentsDoneAt: number | undefined;
  #served = false;

  /** @param before the table of the last stream, if there was one */
  constructor(before: TaskTable | undefined, grace: Grace) {
    this.#before = before ?? NO_TASKS;
    this.#grace = grace;
    this.book = new TaskBook(this.#before.tasks);
  }

  /** @param now milliseconds, of any clock that only goes forward */
  apply(event: MasterEvent, now: number): void {
    const { subscribed, task_added, task_updated, agent_added, agent_removed, framework_removed } = event;
    if (subscribed) this.#snapshot(subscribed, now);
    if (task_added) this.book.put(task_added.task);
    if (task_updated && readers.status.Check(task_updated.status)) {
      this.book.update(task_updated.framework_id.value, task_updated.status, task_updated.state);
    }
    if (agent_added) this.#addAgent(agent_added.agent);
    if (agent_removed) this.#removeAgent(agent_removed.agent_id.value);
    this.#addFramework((event.framework_added ?? event.framework_updated)?.framework);
    const gone = framework_removed?.framework_info.id?.value;
    if (gone !== undefined) this.book.removeFramework(gone);
  }

  /** Whether that was news. @param pids of schedulers, by the id of their framework; the events do not say them */
  locate(pids: ReadonlyMap<string, string>): boolean {
    this.#pids = pids;
    const located = [...this.book.frameworks.values()].map((one) => ({ ...one, ...readPid(pids.get(one.id)) }));
    return located.filter((one) => this.book.setFramework(one)).length > 0;
  }

  /** The agent whose task the event is about, as far as is known. */
  agentOf({ task_added, task_updated }: MasterEvent): string | undefined {
    if (task_added && readers.task.Check(task_added.task)) return task_added.task.agent_id.value;
    if (!task_updated || !readers.status.Check(task_updated.status)) return undefined;
    const id = task_updated.status.task_id?.value ?? '';
    return this.book.agentOf(taskKey({ frameworkId: task_updated.framework_id.value, id }));
  }

  phase(now: number): Phase {
    if (this.#subscribedAt === undefined) return 'subscribing';
    if (this.#served) return 'serving';
    if (this.#recovered.size > 0 && now < this.#subscribedAt + this.#grace.agentsMs) return 'agents';
    this.#agentsDoneAt ??= now;
    if (this.book.waiting > 0 && now < this.#agentsDoneAt + this.#grace.tasksMs) return 'tasks';
    this.#served = true;
    return 'serving';
  }

  /** When the phase changes though nothing is told; undefined when it does not. */
  due(now: number): number | undefined {
    const phase = this.phase(now);
    if (phase === 'agents') return this.#subscribedAt! + this.#grace.agentsMs;
    return phase === 'tasks' ? this.#agentsDoneAt! + this.#grace.tasksMs : undefined;
  }

  /** undefined while there is nothing to go by: no stream before this one, and this one is not complete. */
  table(now: number, masters: Pick<TaskTable, 'leader' | 'masters'>): TaskTable | undefined {
    const phase = this.phase(now);
    const table = this.book.table(masters);
    if (phase === 'serving') return table;
    if (phase === 'subscribing' || this.#before === NO_TASKS) return undefined;
    const missing = [...this.#before.tasks].filter(([key, task]) => this.#isMissing(key, task));
    const agents = missing.flatMap(([, { agentId }]) => entry(this.#before.agents, agentId));
    const frameworks = missing.flatMap(([, { frameworkId }]) => entry(this.#before.frameworks, frameworkId));
    return {
      ...table,
      tasks: new Map([...missing, ...table.tasks]),
      agents: new Map([...agents, ...table.agents]),
      frameworks: new Map([...frameworks, ...table.frameworks]),
    };
  }

  /** Not to be expected to be known again yet. */
  #isMissing(key: string, { agentId }: Task): boolean {
    return this.#recovered.has(agentId) || this.book.waits(key);
  }

  #snapshot({ get_state: state }: NonNullable<MasterEvent['subscribed']>, now: number): void {
    this.#subscribedAt = now;
    for (const one of state?.get_frameworks?.frameworks ?? []) this.#addFramework(one);
    for (const one of state?.get_agents?.recovered_agents ?? []) {
      if (readers.agentInfo.Check(one) && one.id) this.#recovered.add(one.id.value);
    }
    for (const one of state?.get_agents?.agents ?? []) this.#addAgent(one);
    for (const one of state?.get_tasks?.tasks ?? []) this.book.put(one);
  }

  #addAgent(raw: unknown): void {
    if (!readers.agent.Check(raw)) return;
    const agent = agentOf(raw.agent_info, raw.pid);
    if (raw.agent_info.id) this.#recovered.delete(raw.agent_info.id.value);
    if (agent) this.book.setAgent(agent);
  }

  #removeAgent(id: string): void {
    this.#recovered.delete(id);
    this.book.removeAgent(id);
  }

  #addFramework(raw: unknown): void {
    if (!readers.framework.Check(raw)) return;
    const framework = frameworkOf(raw, this.#pids.get(raw.framework_info.id?.value ?? ''));
    if (framework) this.book.setFramework(framework);
  }
}

function entry<T>(map: ReadonlyMap<string, T>, key: string): readonly (readonly [string, T])[] {
  const value = map.get(key);
  return value === undefined ? [] : [[key, value]];
}
