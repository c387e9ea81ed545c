import { createInterface } from 'node:readline';
import { MesosMasterSimulator } from '../simulators/mesos-master.js';
import { simulatedTask } from '../simulators/tasks.js';
import { World } from '../simulators/world.js';

/**
 * `sources-master.js TASKS`: a master with so many tasks, ten behind each VIP. For each line with the id of one, that turns
 * unhealthy, and says when; for `+N` a new task with a VIP of its own runs; for `*N` N updates follow each other, 500 a second.
 */

const agents = 1_000;
const stormRate = 500;
const world = new World();
world.addFramework('F-0001', 'marathon');
for (let n = 0; n < agents; n += 1) world.addAgent({ id: `S${n}`, hostname: `10.0.${n >> 8}.${n & 255}`, port: 5051 });
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

/** Turns of health, by the clock. Resolves to when the last was told. */
function storm(count: number): Promise<bigint> {
  const started = performance.now();
  let told = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, ((performance.now() - started) / 1_000) * stormRate);
      for (; told < due; told += 1) world.check(`task.${told}`, false);
      if (told < count) return;
      clearInterval(timer);
      resolve(process.hrtime.bigint());
    }, 2);
  });
}

const master = new MesosMasterSimulator(world);
await master.listener.listen();
console.log(master.url);
createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const [, kind, rest] = /^([+*]?)(.*)$/.exec(line)!;
    if (kind === '*') {
      console.log(String(await storm(Number(rest))));
      return;
    }
    if (kind === '+') prepare(Number(rest));
    const at = process.hrtime.bigint();
    if (kind === '+') world.turn(`fresh.${rest}`, 'TASK_RUNNING');
    else world.check(line, false);
    console.log(String(at));
  })
  .on('close', () => process.exit(0));
