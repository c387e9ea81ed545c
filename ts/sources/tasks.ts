import { NO_TASKS, type TaskTable } from '../model/task.js';

/** All tables as one; of what several know, what the first says. The given one itself when there is only one. */
export function mergeTasks(tables: readonly TaskTable[]): TaskTable {
  const [first = NO_TASKS, ...others] = tables;
  if (others.length === 0) return first;
  const leader = tables.find((table) => table.leader !== undefined)?.leader;
  const masters = new Map(tables.flatMap((table) => table.masters.map((one) => [`${one.address} ${one.port}`, one])));
  return {
    tasks: union(tables.map(({ tasks }) => tasks)),
    agents: union(tables.map(({ agents }) => agents)),
    frameworks: union(tables.map(({ frameworks }) => frameworks)),
    ...(leader === undefined ? {} : { leader }),
    masters: [...masters.values()],
  };
}

function union<T>(maps: readonly ReadonlyMap<string, T>[]): ReadonlyMap<string, T> {
  return new Map(maps.toReversed().flatMap((map) => [...map]));
}
