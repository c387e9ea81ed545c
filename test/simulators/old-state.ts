import type { Json, World } from './world.js';

/** The document of `/master/state`, which the master had before the operator API and still has. */
export function oldState(world: World): Json {
  const tasks = [...world.tasks.values()];
  return {
    leader: 'master@127.0.0.1:5050',
    slaves: [...world.agents.values()].map(({ id, hostname, port, registered }) => {
      return { id, hostname, port, pid: `slave(1)@${hostname}:${port}`, active: registered };
    }),
    frameworks: [...world.frameworks.values()].map(({ id, name }) => ({
      id,
      name,
      active: true,
      connected: true,
      tasks: tasks.filter((task) => task.frameworkId === id).map(({ message }) => oldTask(message)),
    })),
  };
}

/** Ids without their boxes, labels as a plain list, ports as text. */
function oldTask(message: Json): Json {
  const value = (id: unknown) => (id as { value: string }).value;
  const { task_id, framework_id, agent_id, resources, statuses, ...rest } = message;
  const ranges = (resources as Json[]).filter(({ name }) => name === 'ports').flatMap((one) => rangesOf(one));
  const ids = { id: value(task_id), framework_id: value(framework_id), slave_id: value(agent_id) };
  const ports = ranges.map(({ begin, end }) => `${begin}-${end}`).join(', ');
  return { ...rest, ...ids, resources: { ports: `[${ports}]` }, statuses };
}

function rangesOf(resource: Json): readonly { begin: number; end: number }[] {
  return (resource.ranges as { range?: { begin: number; end: number }[] } | undefined)?.range ?? [];
}
