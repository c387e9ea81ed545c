import { MesosMasterSimulator } from '../../simulators/mesos-master.js';
import { simulatedTask, type TaskSpec } from '../../simulators/tasks.js';
import { World } from '../../simulators/world.js';

/** A task, and whether its framework says how it is to be found. */
export type ToldTask = TaskSpec & { readonly discovery?: false };

/** What a master on port 5050 of an address tells. */
export interface ToldCluster {
  readonly address: string;
  readonly agents: readonly { readonly id: string; readonly hostname: string; readonly port: number }[];
  readonly frameworks: readonly { readonly id: string; readonly name: string; readonly pid?: string }[];
  readonly tasks: readonly ToldTask[];
}

/** `mesos-master.js CLUSTER`: a simulated master of a cluster, as JSON, in which nothing happens. */
const { address, agents, frameworks, tasks } = JSON.parse(process.argv[2]!) as ToldCluster;
const world = new World();
for (const { id, name, pid } of frameworks) world.addFramework(id, name, pid);
for (const agent of agents) world.addAgent(agent);
for (const told of tasks) {
  const task = simulatedTask(told);
  if (told.discovery === false) delete task.message.discovery;
  world.launch(task);
}
await new MesosMasterSimulator(world).listener.listen(address, 5050);
console.log('listening');
