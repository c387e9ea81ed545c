import { createInterface } from 'node:readline';
import { MesosMasterSimulator } from '../simulators/mesos-master.js';
import { simulatedTask } from '../simulators/tasks.js';
import { World } from '../simulators/world.js';

/**
 * `sources-master.js TASKS`: a master with so many tasks, ten behind each VIP. For each line with the id of one, that turns
 * unhealthy; for `+N` a new task with a VIP of its own runs.
 */

const agents = 100;
const world = new World();
world.addFramework('F-0001', 'marathon');
for (let n = 0; n < agents; n += 1) world.addAgent({ id: `S${n}`, hostname: `10.0.0.${n + 1}`, port: 5051 });
for (let i = 0; i < Number(process.argv[2]); i += 1) {
  const address = `10.88.${(i >> 7) & 255}.${(i & 127) + 1}`;
  const ports = [{ number: 8080, name: 'http', labels: { VIP_0: `/app${Math.floor(i / 10)}:80` } }];
  world.launch(
    simulatedTask({
      id: `task.${i}`,
      name: `app${Math.floor(i / 10)}`,
      agent: `S${i % agents}`,
      addresses: [address],
      ports,
      checked: true,
      healthy: true,
    }),
  );
}

function prepare(n: number): void {
  const ports = [{ number: 8080, name: 'http', labels: { VIP_0: `/fresh${n}:80` } }];
  const spec = { id: `fresh.${n}`, agent: 'S0', addresses: [`10.90.0.${n + 1}`], ports };
  world.launch(simulatedTask({ ...spec, state: 'TASK_STARTING' }));
}

const master = new MesosMasterSimulator(world);
await master.listener.listen();
console.log(master.url);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line.startsWith('+')) prepare(Number(line.slice(1)));
    const at = process.hrtime.bigint();
    if (line.startsWith('+')) world.turn(`fresh.${line.slice(1)}`, 'TASK_RUNNING');
    else world.check(line, false);
    console.log(String(at));
  })
  .on('close', () => process.exit(0));
