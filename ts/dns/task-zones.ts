import { type Framework, NO_TASKS, type Task, type TaskTable } from '../model/task.js';
import { differences } from '../util/differences.js';
import { type Entry, Ledger } from './ledger.js';
import {
  mesosAgentEntries,
  mesosAuthority,
  mesosFrameworkEntries,
  mesosMasterEntries,
  mesosTaskEntries,
} from './mesos-records.js';
import { nameKey } from './name.js';
import { address } from './record.js';
import type { ReverseBook } from './reverse-book.js';
import type { Routing } from './routing.js';
import { addressesOf, isNamed, keyOf, taskEntries, taskName } from './task-records.js';
import { Zone, type ZoneOptions } from './zone.js';

export interface TaskZonesOptions {
  readonly suffix: string;
  /** Seconds. */
  readonly ttl: number;
  readonly mesosTtl: number;
  readonly parity: boolean;
  /** Where the resolver listens. */
  readonly servers: readonly string[];
}

/** Names of ZooKeeper servers; DC/OS gives five, whatever the number of masters. */
const zookeepers = 5;

/** The zones that are made from tasks: `dcos.SUFFIX`, `mesos` and `zk`. */
export class TaskZones {
  readonly #tasks: Ledger;
  readonly #mesos: Ledger;
  readonly #zk: Ledger;
  readonly #dcosZone: string;
  #table: TaskTable | undefined;

  constructor(
    private readonly options: TaskZonesOptions,
    routing: Routing,
    private readonly reverse: ReverseBook,
  ) {
    const { suffix, ttl, mesosTtl, parity, servers } = options;
    this.#dcosZone = `dcos.${suffix}`;
    const zone = (apex: string, origin: string, more: Partial<ZoneOptions> = {}) => {
      const made = new Zone({ apex: nameKey(apex), kind: 'authority', ttl, origin, ...more });
      routing.set(made.apex, { to: 'zone', zone: made });
      return new Ledger(made);
    };
    this.#tasks = zone(this.#dcosZone, 'tasks');
    const authority = mesosAuthority('mesos', parity ? mesosTtl : undefined);
    this.#mesos = zone('mesos', 'tasks, in the forms of Mesos-DNS', { ttl: mesosTtl, parity, authority });
    this.#mesos.set(
      'this resolver',
      servers.map((one) => ({ name: authority.nameServer, data: address(one) })),
    );
    this.#zk = zone('zk', 'masters');
  }

  /** That of tasks by name; the others change with it. */
  get zone(): Zone {
    return this.#tasks.zone;
  }

  get ledgers(): readonly Ledger[] {
    return [this.#tasks, this.#mesos, this.#zk];
  }

  /** Tasks whose names would be these, running or not. */
  *tasksOf(name: string): Generator<Task> {
    for (const task of this.#table?.tasks.values() ?? []) {
      const names = (['agentip', 'containerip', 'autoip'] as const).map((kind) => taskName(task, kind, this.#dcosZone));
      if (names.includes(name)) yield task;
    }
  }

  /** Tasks and their records in the zone `mesos`. */
  *tasks(): Generator<{ readonly task: Task; readonly entries: readonly Entry[] }> {
    for (const task of this.#table?.tasks.values() ?? []) {
      yield { task, entries: this.#mesos.entriesOf(ownerOf(task)) };
    }
  }

  /** All there is. What is the same object as before is not looked at again. */
  set(table: TaskTable): void {
    this.#tasks.together(() => this.#mesos.together(() => this.reverse.together(() => this.#update(table))));
    for (const { zone } of this.ledgers) zone.ready = true;
  }

  #update(table: TaskTable): void {
    const before = this.#table ?? NO_TASKS;
    const agents = this.#agents(before, table);
    const { gone, come } = differences(before.tasks, table.tasks);
    for (const [, task] of gone) this.#forget(ownerOf(task));
    for (const [, task] of come) this.#task(task, table);
    if (agents.size > 0) for (const task of table.tasks.values()) if (agents.has(task.agentId)) this.#task(task, table);
    this.#frameworks(before, table);
    if (table.masters !== this.#table?.masters || table.leader !== this.#table?.leader) this.#masters(table);
    this.#table = table;
  }

  /** The ids of those that are another, or are there, or are not there, for the first time. */
  #agents(before: TaskTable, table: TaskTable): ReadonlySet<string> {
    const { gone, come } = differences(before.agents, table.agents);
    for (const [, { id }] of gone) this.#forget(`agent ${id}`);
    for (const [, agent] of come) {
      const owner = `agent ${agent.id}`;
      this.#mesos.set(owner, mesosAgentEntries(agent, 'mesos'));
      this.reverse.set(owner, [{ address: agent.address, name: nameKey('slave.mesos') }]);
    }
    return new Set([...gone, ...come].map(([, { id }]) => id));
  }

  #frameworks(before: TaskTable, table: TaskTable): void {
    const owner = ({ name, id }: Framework): string => `framework ${name} (${id})`;
    const { gone, come } = differences(before.frameworks, table.frameworks);
    for (const [, framework] of gone) this.#mesos.delete(owner(framework));
    for (const [, framework] of come) this.#mesos.set(owner(framework), mesosFrameworkEntries(framework, 'mesos'));
  }

  #task(task: Task, table: TaskTable): void {
    const owner = ownerOf(task);
    this.#tasks.set(owner, taskEntries(task, this.#dcosZone));
    this.#mesos.set(owner, mesosTaskEntries(task, table.agents, { zone: 'mesos', parity: this.options.parity }));
    this.reverse.set(owner, this.#reverseOf(task));
  }

  #forget(owner: string): void {
    this.#tasks.delete(owner);
    this.#mesos.delete(owner);
    this.reverse.set(owner, []);
  }

  /** Containers have a name of their own; an agent's address is that of many tasks. */
  #reverseOf(task: Task): { address: string; name: string }[] {
    const name = keyOf(taskName(task, 'containerip', this.#dcosZone));
    if (name === undefined || !isNamed(task)) return [];
    const own = addressesOf(task, 'containerip').filter((one) => one !== task.agentAddress);
    return own.map((one) => ({ address: one, name }));
  }

  #masters(table: TaskTable): void {
    const { masters, leader } = table;
    const all = [...new Set([...masters, ...(leader === undefined ? [] : [leader])].map((one) => one.address))];
    const named = (name: string, some: readonly string[]): Entry[] =>
      some.map((one) => ({ name: nameKey(name), data: address(one) }));
    this.#tasks.set('masters', [
      ...named(`leader.${this.#dcosZone}`, leader === undefined ? [] : [leader.address]),
      ...named(`master.${this.#dcosZone}`, all),
    ]);
    this.#mesos.set('masters', mesosMasterEntries(table, 'mesos'));
    const servers = all.length === 0 ? [] : Array.from({ length: zookeepers }, (_, i) => all[i % all.length]!);
    this.#zk.set(
      'masters',
      servers.flatMap((one, i) => named(`zk-${i + 1}.zk`, [one])),
    );
    this.reverse.set(
      'masters',
      all.map((one) => ({ address: one, name: nameKey(`master.${this.#dcosZone}`) })),
    );
  }
}

function ownerOf({ id, framework, frameworkId }: Task): string {
  return `task ${id} of framework ${framework} (${frameworkId})`;
}
