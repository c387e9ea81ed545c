import type { RejectedLabel } from '../../model/label.js';
import { type Task, type TaskTable, taskKey } from '../../model/task.js';
import type { Fault } from '../../util/errors.js';
import { readTask } from '../mesos/task.js';
import type { TaskMessage } from '../mesos/wire.js';
import { appMessage, podMessages } from './message.js';
import { type App, type AppTask, readers } from './wire.js';

/** Marathon's own name and id as a framework of Mesos. */
export interface MarathonInfo {
  readonly name: string;
  readonly frameworkId: string;
}

export interface Translation {
  readonly table: TaskTable;
  readonly rejected: readonly RejectedLabel[];
  readonly faults: readonly Fault[];
}

/** What the answers of Marathon are read with. */
export interface Context {
  /** Addresses of hosts that go by name. */
  readonly hosts: ReadonlyMap<string, string>;
  /** The last translation. */
  readonly before: TaskTable;
  /** Tasks as a master of Mesos tells them, where one is followed: it knows what the checks of Mesos itself have found. */
  readonly heard: TaskTable;
}

/**
 * Apps and pods as tasks. One that cannot be read hides no other; one that is the same as before is the same object. Check
 * results that a new leader has forgotten stand as they were before.
 */
export function translate(
  apps: readonly unknown[],
  pods: readonly unknown[],
  info: MarathonInfo,
  context: Context,
): Translation {
  const faults: Fault[] = [];
  const read: Reading = { info, ...context, faults };
  const { before } = context;
  const messages = [...apps.flatMap((raw) => ofApp(raw, read)), ...pods.flatMap((raw) => ofPod(raw, read))];
  const tasks = new Map<string, Task>();
  const rejected: RejectedLabel[] = [];
  for (const { message, agentAddress } of messages) {
    const reading = readTask(message, { framework: info.name, agentAddress });
    const key = taskKey(reading.task);
    const known = before.tasks.get(key);
    tasks.set(key, known && JSON.stringify(known) === JSON.stringify(reading.task) ? known : reading.task);
    rejected.push(...reading.rejected);
  }
  const frameworks = new Map([[info.frameworkId, { id: info.frameworkId, name: info.name }]]);
  return { table: { tasks, agents: agentsOf(tasks), frameworks, masters: [] }, rejected, faults };
}

interface Placed {
  readonly message: TaskMessage;
  readonly agentAddress: string;
}

interface Reading extends Context {
  readonly info: MarathonInfo;
  readonly faults: Fault[];
}

/** undefined, and a fault, for a host without an address. */
function addressOf(host: string, task: string, { hosts, faults }: Reading): string | undefined {
  const address = hosts.get(host);
  if (address === undefined) {
    faults.push({ code: 'HOST_UNKNOWN', object: `task ${task}`, cause: `its host ${host} has no address` });
  }
  return address;
}

/** Hosts of all tasks, as Marathon names them. */
export function hostsOf(apps: readonly unknown[], pods: readonly unknown[]): ReadonlySet<string> {
  const ofApps = apps.flatMap((app) => (readers.app.Check(app) ? (app.tasks ?? []) : []));
  const ofPods = pods.flatMap((pod) => (readers.pod.Check(pod) ? (pod.instances ?? []) : []));
  return new Set([
    ...ofApps.flatMap((task) => (readers.task.Check(task) ? task.host : [])),
    ...ofPods.flatMap((one) => (readers.instance.Check(one) ? (one.agentHostname ?? []) : [])),
  ]);
}

function ofApp(raw: unknown, read: Reading): readonly Placed[] {
  const { info, before, heard, faults } = read;
  if (!readers.app.Check(raw)) {
    faults.push(unreadable('app', raw, readers.app.Errors(raw)));
    return [];
  }
  return (raw.tasks ?? []).flatMap((task) => {
    if (!readers.task.Check(task)) {
      faults.push(unreadable(`task of app ${raw.id}`, task, readers.task.Errors(task)));
      return [];
    }
    const host = addressOf(task.host, task.id, read);
    if (host === undefined) return [];
    const key = taskKey({ frameworkId: info.frameworkId, id: task.id });
    const health = healthOf(raw, task, heard.tasks.get(key), before.tasks.get(key));
    const message = appMessage(raw, { ...task, host }, info, health);
    return [{ message, agentAddress: host }];
  });
}

function ofPod(raw: unknown, read: Reading): readonly Placed[] {
  const { info, faults } = read;
  if (!readers.pod.Check(raw)) {
    faults.push(unreadable('pod', raw, readers.pod.Errors(raw)));
    return [];
  }
  return (raw.instances ?? []).flatMap((instance) => {
    if (!readers.instance.Check(instance)) {
      faults.push(unreadable(`instance of pod ${raw.id}`, instance, readers.instance.Errors(instance)));
      return [];
    }
    if (!instance.agentHostname) return []; // has no place yet
    const agentAddress = addressOf(instance.agentHostname, instance.id, read);
    if (agentAddress === undefined) return [];
    const placed = { ...instance, agentHostname: agentAddress };
    return podMessages(raw, placed, info).map((message) => ({ message, agentAddress }));
  });
}

/** undefined: nothing checks it. A task is not healthy before it is ready, and before a check has been passed. */
export function healthOf(app: App, task: AppTask, heard?: Task, known?: Task): boolean | undefined {
  if (!isReady(app, task)) return false;
  const checks = app.healthChecks ?? [];
  if (checks.length === 0) return undefined;
  // Checks that Marathon makes itself are not known to Mesos.
  const told = checks.every(({ protocol }) => isOfMesos(protocol)) ? heard?.healthy : undefined;
  const results = (task.healthCheckResults ?? []).filter((one) => one !== null);
  if (results.length === 0) return told ?? known?.healthy ?? false;
  return results.every(({ alive }) => alive === true);
}

function isOfMesos(protocol: string | null | undefined): boolean {
  return protocol === 'COMMAND' || (protocol ?? '').startsWith('MESOS_');
}

/** Readiness is looked at only while a deployment is under way, and only of the version it brings. */
function isReady({ readinessChecks, readinessCheckResults, deployments, version }: App, task: AppTask): boolean {
  if ((readinessChecks ?? []).length === 0 || (deployments ?? []).length === 0) return true;
  const result = (readinessCheckResults ?? []).find(({ taskId }) => taskId === task.id);
  return result ? result.ready === true : task.version !== version;
}

function agentsOf(tasks: ReadonlyMap<string, Task>): TaskTable['agents'] {
  return new Map(
    [...tasks.values()].map(({ agentId: id, agentAddress: address }) => [id, { id, address, port: 5051 }]),
  );
}

type Problem = { readonly instancePath: string; readonly message: string };

function unreadable(what: string, raw: unknown, [problem]: readonly Problem[]): Fault {
  const id = String((raw as { id?: unknown } | null)?.id ?? 'without id').slice(0, 200);
  const where = problem?.instancePath.slice(1).replaceAll('/', '.') || 'it';
  return { code: 'APP_INVALID', object: `${what} ${id}`, cause: `cannot be read: ${where} ${problem?.message}` };
}
