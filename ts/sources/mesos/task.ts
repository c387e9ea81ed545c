import { canonicalAddress } from '../../model/address.js';
import type { RejectedLabel } from '../../model/label.js';
import type { Task, TaskPhase } from '../../model/task.js';
import { portTable, resourcePorts } from './ports.js';
import type { NetworkInfo, StatusMessage, TaskMessage } from './wire.js';

/** What the task's message does not say itself. */
export interface TaskContext {
  /** The framework's registered name. */
  readonly framework: string;
  /** Of its agent, canonical text. */
  readonly agentAddress: string;
}

/** A task as it is to be used, and what of its labels is not. */
export interface TaskReading {
  readonly task: Task;
  readonly rejected: readonly RejectedLabel[];
}

const TERMINAL = new Set('FINISHED FAILED KILLED LOST ERROR DROPPED GONE GONE_BY_OPERATOR'.split(' '));

/** States are of mesos.proto, TaskState; one that is not known is preparing. */
export function phaseOf(state: string): TaskPhase {
  if (state === 'TASK_RUNNING') return 'running';
  if (state === 'TASK_KILLING') return 'killing';
  return TERMINAL.has(state.replace(/^TASK_/, '')) ? 'terminal' : 'preparing';
}

export function readTask(message: TaskMessage, { framework, agentAddress }: TaskContext): TaskReading {
  const newest = newestStatus(message);
  // What the task is in now; its status may still be an earlier one that was acknowledged.
  const state = String(message.state ?? newest?.state ?? 'TASK_STAGING');
  const phase = phaseOf(state);
  const networks = newest?.container_status?.network_infos ?? [];
  const addresses = addressesOf(networks);
  const name = message.discovery?.name || message.name || message.task_id.value;
  const live = phase === 'running' || phase === 'killing';
  const hostNetwork = live && addresses.length === 1 && addresses[0] === agentAddress;
  const { ports, bad } = portTable(message, { framework, task: name, networks, hostNetwork });
  const task: Task = {
    id: message.task_id.value,
    frameworkId: message.framework_id.value,
    framework,
    name,
    discovery: (message.discovery?.name ?? '') !== '',
    agentId: message.agent_id.value,
    agentAddress,
    addresses,
    runtime: runtimeOf(message),
    phase,
    state,
    ...healthOf(newest, message),
    ports,
    resourcePorts: resourcePorts(message.resources).toSorted((a, b) => a - b),
  };
  const place = { framework, task: name, taskId: task.id, agent: agentAddress };
  return { task, rejected: bad.map((label) => ({ ...place, ...label })) };
}

function healthOf(newest: StatusMessage | undefined, { health_check }: TaskMessage): Pick<Task, 'healthy' | 'pending'> {
  const healthy = newest?.healthy;
  if (healthy !== undefined || health_check === undefined) return { healthy };
  return { healthy: false, pending: true };
}

/** The one of the greatest timestamp, wherever it stands; of equal ones the later. */
export function newestStatus({ statuses = [] }: TaskMessage): StatusMessage | undefined {
  return statuses.reduce<StatusMessage | undefined>(
    (newest, one) => (newest && (newest.timestamp ?? 0) > (one.timestamp ?? 0) ? newest : one),
    undefined,
  );
}

/** Every address that can be read, in order, each once. */
function addressesOf(networks: readonly NetworkInfo[]): readonly string[] {
  const texts = networks.flatMap(({ ip_addresses = [] }) => ip_addresses.flatMap(({ ip_address }) => ip_address ?? []));
  return [...new Set(texts.flatMap((text) => readAddress(text) ?? []))];
}

/** Canonical text, or undefined when it is none. */
export function readAddress(text: string): string | undefined {
  try {
    return canonicalAddress(text);
  } catch {
    return undefined;
  }
}

function runtimeOf({ container }: TaskMessage): Task['runtime'] {
  if (container?.type === undefined || container.type === 'MESOS') return 'mesos';
  return container.type === 'DOCKER' ? 'docker' : 'unknown';
}
