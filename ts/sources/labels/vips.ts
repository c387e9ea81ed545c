import { type Endpoint, type Family, familyOf } from '../../model/address.js';
import { isProblem, type RejectedLabel, readVipLabel, type SharedVip } from '../../model/label.js';
import { endpointsOf, isServing, usable, weightOf } from '../../model/reach.js';
import { type DeclaredService, formatFrontend, type VipKey, vipKey } from '../../model/service.js';
import type { Task, TaskPort } from '../../model/task.js';
import { differences } from '../../util/differences.js';
import { type Contribution, definitionOf } from './definition.js';

export interface VipsOptions {
  /** Whether backends may have IPv6 addresses. */
  readonly ipv6: boolean;
  /** Whether a task whose check has said nothing yet takes connections. */
  readonly pendingReady?: boolean;
}

/** What the labels of tasks come to. */
export interface LabelledVips {
  /** By name: those that stay keep their places, which spares whoever compares two sets. */
  readonly services: readonly DeclaredService[];
  readonly shared: readonly SharedVip[];
  /** Labels that are right, of tasks that have no address for them. */
  readonly homeless: readonly RejectedLabel[];
}

/**
 * The VIPs of a set of tasks. Follows it from one to the next: only tasks that are other objects than before are read
 * again, and a VIP that stays the same stays the same object.
 */
export class Vips {
  readonly #options: VipsOptions;
  readonly #vips = new Map<VipKey, Map<string, Contribution>>();
  readonly #homeless = new Map<string, readonly RejectedLabel[]>();
  /** By name of the service. */
  #definitions = new Map<VipKey, DeclaredService>();
  #grown = false;
  readonly #shared = new Map<VipKey, SharedVip>();
  #tasks: ReadonlyMap<string, Task> = new Map();
  #last: LabelledVips = { services: [], shared: [], homeless: [] };

  constructor(options: VipsOptions) {
    this.#options = options;
  }

  /** The last result itself when no task is another. */
  follow(tasks: ReadonlyMap<string, Task>): LabelledVips {
    const before = this.#tasks;
    this.#tasks = tasks;
    const { gone, come } = differences(before, tasks);
    if (gone.length === 0 && come.length === 0) return this.#last;
    const touched = new Set<VipKey>();
    for (const [key, task] of gone) this.#drop(key, task, touched);
    for (const [key, task] of come) this.#add(key, task, touched);
    for (const vip of touched) this.#settle(vip);
    if (this.#grown)
      this.#definitions = new Map([...this.#definitions].sort(([, a], [, b]) => (a.name < b.name ? -1 : 1)));
    this.#grown = false;
    this.#last = {
      services: touched.size === 0 ? this.#last.services : [...this.#definitions.values()],
      shared: [...this.#shared.values()],
      homeless: [...this.#homeless.values()].flat(),
    };
    return this.#last;
  }

  #add(key: string, task: Task, touched: Set<VipKey>): void {
    const { contributions, homeless } = contributionsOf(task, this.#options);
    for (const contribution of contributions) {
      const vip = vipKey(contribution.frontend);
      const all = this.#vips.get(vip) ?? new Map<string, Contribution>();
      this.#vips.set(vip, all.set(key, joined(all.get(key), contribution)));
      touched.add(vip);
    }
    if (homeless.length > 0) this.#homeless.set(key, homeless);
  }

  #drop(key: string, task: Task, touched: Set<VipKey>): void {
    this.#homeless.delete(key);
    for (const { frontend } of contributionsOf(task, this.#options).contributions) {
      const vip = vipKey(frontend);
      this.#vips.get(vip)?.delete(key);
      touched.add(vip);
    }
  }

  #settle(vip: VipKey): void {
    const all = this.#vips.get(vip);
    this.#shared.delete(vip);
    if (!all || all.size === 0) {
      this.#vips.delete(vip);
      this.#definitions.delete(vip);
      return;
    }
    const contributions = [...all.values()];
    this.#grown ||= !this.#definitions.has(vip);
    this.#definitions.set(vip, definitionOf(contributions));
    const apps = [...new Set(contributions.map(({ app }) => app))].sort();
    const text = formatFrontend(contributions[0]!.frontend);
    if (apps.length > 1) this.#shared.set(vip, { vip: text, protocol: contributions[0]!.frontend.protocol, apps });
  }
}

interface Contributions {
  readonly contributions: readonly Contribution[];
  readonly homeless: readonly RejectedLabel[];
}

const NOTHING: Contributions = { contributions: [], homeless: [] };

function contributionsOf(task: Task, options: VipsOptions): Contributions {
  if (!isServing(task)) return NOTHING;
  const read = task.ports.flatMap((port) => port.vips.map((value) => contributionOf(task, port, value, options)));
  return {
    contributions: read.filter((one) => one !== undefined && 'frontend' in one),
    homeless: read.filter((one) => one !== undefined && 'reason' in one),
  };
}

/** undefined for a label that says nothing: its reader has reported it. */
function contributionOf(
  task: Task,
  port: TaskPort,
  value: string,
  { ipv6, pendingReady }: VipsOptions,
): Contribution | RejectedLabel | undefined {
  const target = readVipLabel(value, { framework: task.framework, task: task.name });
  if (isProblem(target)) return undefined;
  const family = 'address' in target ? familyOf(target.address) : undefined;
  const endpoints = usable(endpointsOf(task, port), family, ipv6);
  if (endpoints.length === 0) return homeless(task, value, family);
  const weight = weightOf(task, pendingReady);
  return {
    frontend: { ...target, protocol: port.protocol } as Contribution['frontend'],
    backends: endpoints.map((endpoint) => ({ ...endpoint, ...weight, ...insideOf(task, port, endpoint) })),
    app: `${task.framework}/${task.name}`,
  };
}

/**
 * Where the task's own node reaches it: behind a mapped port, in its container. Tasks of the Docker runtime are left alone,
 * so that a container can reach a VIP it is behind itself.
 */
function insideOf(
  { addresses, runtime }: Task,
  { port, hostPort }: TaskPort,
  { address }: Endpoint,
): { local?: Endpoint } {
  if (hostPort === undefined || port === undefined || runtime === 'docker') return {};
  const inside = addresses.find((one) => familyOf(one) === familyOf(address) && one !== address);
  return inside === undefined ? {} : { local: { address: inside, port } };
}

function homeless(task: Task, value: string, family: Family | undefined): RejectedLabel {
  const { framework, name, id, agentAddress, phase } = task;
  const reason = `its task, ${phase}, has no ${family === undefined ? 'usable' : `IPv${family}`} address`;
  return {
    framework,
    task: name,
    taskId: id,
    agent: agentAddress,
    key: 'VIP',
    value,
    code: 'LABEL_NO_ADDRESS',
    reason,
  };
}

/** A task can ask for one VIP by several of its ports. */
function joined(before: Contribution | undefined, next: Contribution): Contribution {
  return before ? { ...next, backends: [...before.backends, ...next.backends] } : next;
}
