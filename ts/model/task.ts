import type { Protocol } from './address.js';

/** Mesos task states (mesos.proto TaskState) in three classes; everything not named there is preparing. */
export type TaskPhase = 'preparing' | 'running' | 'killing' | 'terminal';

export interface TaskPort {
  /** Of the discovery information; `default` when it has none. */
  readonly name: string;
  readonly protocol: Protocol;
  /** Where the task itself listens. */
  readonly port?: number;
  /** The agent's port that is mapped to it; only where there is a real mapping. */
  readonly hostPort?: number;
  /** Values of the port's VIP labels, as written. */
  readonly vips: readonly string[];
}

/** A task of a cluster manager. Identity is the pair of framework id and task id; a task id alone is not unique. */
export interface Task {
  readonly id: string;
  readonly frameworkId: string;
  /** The framework's registered name, as written. */
  readonly framework: string;
  /** The discovery name, else the task's name, as written. */
  readonly name: string;
  /** Whether the name is that of its discovery information. */
  readonly discovery: boolean;
  readonly agentId: string;
  /** Canonical text. */
  readonly agentAddress: string;
  /** Addresses of the newest status' network infos, canonical text, in their order. */
  readonly addresses: readonly string[];
  readonly runtime: 'mesos' | 'docker' | 'unknown';
  readonly phase: TaskPhase;
  /** TASK_RUNNING and so on, as reported. */
  readonly state: string;
  /** undefined: nothing checks it. */
  readonly healthy: boolean | undefined;
  /** It has a check that has said nothing yet; `healthy` is false then. */
  readonly pending?: boolean;
  readonly ports: readonly TaskPort[];
  /** Host ports the task was given as resources, ascending. */
  readonly resourcePorts: readonly number[];
}

export interface Agent {
  readonly id: string;
  /** Of its libprocess PID. */
  readonly address: string;
  readonly port: number;
}

export interface Framework {
  readonly id: string;
  readonly name: string;
  /** Of the scheduler's PID, else undefined. */
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

/** All a source of tasks knows. Replaced as a whole; what did not change is the same object. */
export interface TaskTable {
  /** By `frameworkId\0id`. */
  readonly tasks: ReadonlyMap<string, Task>;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly frameworks: ReadonlyMap<string, Framework>;
  /** The leading master, once one is known. */
  readonly leader?: { readonly address: string; readonly port: number };
  /** Every known master. */
  readonly masters: readonly { readonly address: string; readonly port: number }[];
}

export const NO_TASKS: TaskTable = { tasks: new Map(), agents: new Map(), frameworks: new Map(), masters: [] };

export function taskKey(task: Pick<Task, 'frameworkId' | 'id'>): string {
  return `${task.frameworkId}\0${task.id}`;
}
