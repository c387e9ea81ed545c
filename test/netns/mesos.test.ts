import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { rootTest } from '../helpers/needs.js';
import { NAME } from '../simulators/app2.js';

const tutorial = fileURLToPath(new URL('../simulators/tutorial.js', import.meta.url));

const steps = [
  'resolved',
  "autoip.*its task's",
  'scaled to two .*answers by #1 #2, none failed',
  'scaled back to one: .*none failed',
  'a check of one fails .*none failed',
  'and passes again .*none failed',
  'one process killed by SIGKILL',
  'the leading master fails over; .*none failed',
  'an agent is lost',
  'it comes back with its task, one too many .*none failed',
];

function start(t: ExecutionContext, ...flags: readonly string[]): Child {
  const child = Child.start([process.execPath, tutorial, '--mesos', ...flags]);
  t.teardown(() => child.stop(30_000));
  return child;
}

rootTest(
  'npm start -- --mesos: an app by name, scaled, drained, failed over; its exit status says that nothing failed',
  async (t) => {
    t.timeout(600_000);
    const child = start(t, '--once');
    const result = await child.exited;
    t.is(result, 0, child.output);
    for (const step of steps) t.regex(child.output, new RegExp(step));
  },
);

rootTest('npm start -- --cluster 3 --mesos: the same, and curl by name on any node gets every instance', async (t) => {
  t.timeout(900_000);
  const child = start(t, '--cluster', '3');
  await child.wrote('Serving until Ctrl-C', 600_000);
  for (const step of steps) t.regex(child.output, new RegExp(step));
  t.regex(child.output, /resolved on all 3 nodes/);
  const instances = [...child.output.matchAll(/^(app2\.dcos-101\.instance-\d+) +TASK_RUNNING/gm)].map(([, id]) => id!);
  t.is(instances.length, 2, child.output);
  for (const node of ['node1', 'node2', 'node3']) {
    const curl = [`/run/vipd-quickstart-c/${node}/enter`, 'curl', '-s', '-m', '30', `http://${NAME}:10000/`];
    const answers = Array.from({ length: 30 }, () => run(curl).trim());
    t.deepEqual([...new Set(answers)].sort(), instances.toSorted(), node);
  }
  child.kill('SIGINT');
  t.is(await child.exited, 0, child.output);
  t.false(run(['ip', 'link']).includes('vipd-q'));
});
