import type { RejectedLabel } from '../../model/label.js';
import type { Agent, Framework, Task, TaskTable } from '../../model/task.js';
import { taskKey } from '../../model/task.js';
import type { Fault } from '../../util/errors.js';
import { newestStatus, phaseOf, readTask } from './task.js';
import { readers, type StatusMessage, type TaskMessage } from './wire.js';

/** What is known of one task. */
interface Held {
  readonly message: TaskMessage;
}

/**
 * Tasks, agents and frameworks as they are told, in any order. A task whose agent or framework is not known waits; one
 * that cannot be read hides no other; one that nothing was told about stays the same object.
 */
export class TaskBook {
  readonly agents = new Map<string, Agent>();
  readonly frameworks = new Map<string, Framework>();
  readonly faults = new Map<string, Fault>();
  readonly #held = new Map<string, Held>();
  readonly #tasks = new Map<string, Task>();
  readonly #rejected = new Map<string, readonly RejectedLabel[]>();
  readonly #waiting = new Set<string>();
  #changed = true;

  /** @param before what was known of tasks earlier, for what a new leader does not know of them yet */
  constructor(private readonly before?: ReadonlyMap<string, Task>) {}

  /** A whole task. What is over is forgotten. */
  put(raw: unknown): void {
    if (readers.task.Check(raw)) this.#take(keyOf(raw), raw);
    else this.#refuse(raw);
  }

  /** News of a task that is known; what the status does not say stays as it was. */
  update(frameworkId: string, status: StatusMessage, state: TaskMessage['state']): void {
    const key = taskKey({ frameworkId, id: status.task_id?.value ?? '' });
    const held = this.#held.get(key);
    if (!held) return;
    this.put(updated(held.message, status, state ?? status.state));
  }

  /** Keeps only these tasks. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#held.keys()) if (!keys.has(key)) this.#forget(key);
    for (const key of this.faults.keys()) if (!keys.has(key)) this.faults.delete(key);
  }

  setAgent(agent: Agent): void {
    if (this.agents.get(agent.id)?.address === agent.address && this.agents.get(agent.id)?.port === agent.port) return;
    this.agents.set(agent.id, agent);
    this.#changed = true;
    this.#readAll(({ agent_id }) => agent_id.value === agent.id);
  }

  /** Whether that was news. */
  setFramework(framework: Framework): boolean {
    const before = this.frameworks.get(framework.id);
    if (JSON.stringify(before) === JSON.stringify(framework)) return false;
    this.frameworks.set(framework.id, framework);
    this.#changed = true;
    if (before?.name !== framework.name) this.#readAll(({ framework_id }) => framework_id.value === framework.id);
    return true;
  }

  /** With all its tasks. */
  removeAgent(id: string): void {
    this.#changed = this.agents.delete(id) || this.#changed;
    for (const [key, { message }] of this.#held) if (message.agent_id.value === id) this.#forget(key);
  }

  removeFramework(id: string): void {
    this.#changed = this.frameworks.delete(id) || this.#changed;
    for (const [key, { message }] of this.#held) if (message.framework_id.value === id) this.#forget(key);
  }

  /** The agent of a task that is known. */
  agentOf(key: string): string | undefined {
    return this.#held.get(key)?.message.agent_id.value;
  }

  rejected(): readonly RejectedLabel[] {
    return [...this.#rejected.values()].flat();
  }

  /** Tasks whose agent or framework is not known yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  waits(key: string): boolean {
    return this.#waiting.has(key);
  }

  /** Whether anything is different from what it was at the last call. */
  changed(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  table(more: Pick<TaskTable, 'leader' | 'masters'>): TaskTable {
    return { ...more, tasks: new Map(this.#tasks), agents: new Map(this.agents), frameworks: new Map(this.frameworks) };
  }

  #take(key: string, message: TaskMessage): void {
    this.faults.delete(key);
    if (phaseOf(stateOf(message)) === 'terminal') {
      this.#forget(key);
    } else if (!sameMessage(this.#held.get(key)?.message, message)) {
      this.#held.set(key, { message });
      this.#read(key);
    }
  }

  #readAll(concerned: (message: TaskMessage) => boolean): void {
    for (const [key, { message }] of this.#held) if (concerned(message)) this.#read(key);
  }

  #read(key: string): void {
    const { message } = this.#held.get(key)!;
    const agentAddress = this.agents.get(message.agent_id.value)?.address;
    const framework = this.frameworks.get(message.framework_id.value)?.name;
    this.#unread(key);
    if (agentAddress === undefined || framework === undefined) {
      this.#waiting.add(key);
      return;
    }
    const { task, rejected } = readTask(message, { agentAddress, framework });
    this.#tasks.set(key, this.#withHealth(key, task, message));
    if (rejected.length > 0) this.#rejected.set(key, rejected);
  }

  /** A leader that has just taken over does not know yet what checks have found; what they found last stands. */
  #withHealth(key: string, task: Task, message: TaskMessage): Task {
    const known = this.before?.get(key);
    if (!known || known.healthy === undefined || newestStatus(message)?.healthy !== undefined) return task;
    const { pending: _, ...rest } = task;
    return { ...rest, healthy: known.healthy, ...(known.pending && { pending: true }) };
  }

  #unread(key: string): void {
    this.#changed = true;
    this.#tasks.delete(key);
    this.#rejected.delete(key);
    this.#waiting.delete(key);
  }

  #forget(key: string): void {
    this.#held.delete(key);
    this.#unread(key);
  }

  #refuse(raw: unknown): void {
    const key = keyOf(raw as TaskMessage);
    const [error] = readers.task.Errors(raw);
    const where = error?.instancePath.slice(1).replaceAll('/', '.') || 'it';
    const cause = `cannot be read: ${where} ${error?.message ?? 'is of the wrong kind'}`;
    this.#forget(key);
    this.faults.set(key, { code: 'TASK_INVALID', object: `task ${key.replace('\0', '/')}`, cause });
  }
}

/** Of anything that claims to be a task. */
export function keyOf(raw: { readonly framework_id?: unknown; readonly task_id?: unknown } | undefined): string {
  const text = (id: unknown): string => String((id as { value?: unknown } | undefined)?.value ?? 'unknown');
  return taskKey({ frameworkId: text(raw?.framework_id), id: text(raw?.task_id) });
}

function stateOf(message: TaskMessage): string {
  return String(message.state ?? newestStatus(message)?.state ?? '');
}

function sameMessage(a: TaskMessage | undefined, b: TaskMessage): boolean {
  try {
    return a === b || JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false; // nested deeper than can be written down: what of it is read is not
  }
}

function updated(message: TaskMessage, status: StatusMessage, state: TaskMessage['state']): TaskMessage {
  const newest = newestStatus(message);
  const late = (newest?.timestamp ?? 0) > (status.timestamp ?? Number.POSITIVE_INFINITY);
  const merged = late ? { ...status, ...newest } : { ...newest, ...status };
  const next = { ...message, statuses: [merged] };
  return state === undefined ? next : { ...next, state };
}
