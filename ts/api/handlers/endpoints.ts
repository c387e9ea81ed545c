import { formatEndpoint } from '../../model/address.js';
import { isProblem, readVipLabel } from '../../model/label.js';
import { dnsLabel, vipFqdn } from '../../model/name.js';
import { endpointsOf, isServing } from '../../model/reach.js';
import type { Task, TaskPort } from '../../model/task.js';
import { RequestError } from '../errors.js';
import type { ApiPorts } from '../ports.js';
import type { endpointRoutes } from '../routes/endpoints.js';
import type { Handlers } from '../routes/routes.js';

/** Zone of the names of tasks, whose addresses are those a client can reach. */
const taskZone = 'autoip.dcos.thisdcos.directory';

export function endpointHandlers({ tasks }: ApiPorts): Handlers<typeof endpointRoutes> {
  return {
    endpoints: async ({ app }) => {
      const found = [...tasks.table().tasks.values()].filter((task) => isOf(task, app));
      if (found.length === 0) throw unknown(app);
      return { apps: [...byFramework(found).values()].map(endpoints) };
    },
  };
}

/** An application goes by the name of its tasks, the same behind its framework, or its Marathon id, which is the reverse. */
function isOf({ name, framework }: Task, app: string): boolean {
  const path = `/${name.split('.').reverse().join('/')}`;
  return app === name || app === `${framework}/${name}` || app === path || app === path.slice(1);
}

function byFramework(tasks: readonly Task[]): ReadonlyMap<string, readonly Task[]> {
  const groups = new Map<string, Task[]>();
  for (const task of tasks) groups.set(task.framework, [...(groups.get(task.framework) ?? []), task]);
  return groups;
}

function endpoints(tasks: readonly Task[]) {
  const { framework, name } = tasks[0]!;
  const serving = tasks.filter(isServing);
  const host = `${dnsLabel(name)}.${dnsLabel(framework)}.${taskZone}`;
  const reached = serving.flatMap(reachedAt);
  return {
    framework,
    app: name,
    address: distinct(reached.map(formatEndpoint)),
    dns: distinct(reached.map(({ port }) => `${host}:${port}`)),
    vip: distinct(tasks.flatMap((task) => task.ports.flatMap((port) => vipsOf(task, port)))),
    tasks: tasks.map(taskView),
  };
}

function taskView(task: Task) {
  const { id, state, healthy, agentAddress: agent } = task;
  const view = { id, state, agent, endpoints: isServing(task) ? distinct(reachedAt(task).map(formatEndpoint)) : [] };
  return healthy === undefined ? view : { ...view, healthy };
}

function reachedAt(task: Task) {
  return task.ports.flatMap((port) => endpointsOf(task, port));
}

function vipsOf({ framework, name }: Task, { vips }: TaskPort): readonly string[] {
  return vips.flatMap((value) => {
    const target = readVipLabel(value, { framework, task: name });
    if (isProblem(target)) return [];
    return 'name' in target ? [`${vipFqdn(target.name)}:${target.port}`] : [formatEndpoint(target)];
  });
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

function unknown(app: string): RequestError {
  const hint = 'is a source of tasks configured? vipctl status shows them';
  return new RequestError(404, { code: 'NOT_FOUND', object: `application ${app}`, cause: 'no task is of it', hint });
}
