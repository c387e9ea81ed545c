import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { rootTest } from '../helpers/needs.js';

const tutorial = fileURLToPath(new URL('../simulators/tutorial.js', import.meta.url));

rootTest(
  'npm start -- --mesos: an app by name, scaled, drained, failed over; its exit status says that nothing failed',
  async (t) => {
    t.timeout(170_000);
    const child = Child.start([process.execPath, tutorial, '--mesos']);
    t.teardown(() => child.stop());
    const result = await child.exited;
    t.is(result, 0, child.output);
    for (const step of [
      'resolved',
      "autoip.*its task's",
      'scaled to two',
      'scaled back to one',
      'a check of one fails',
      'the leading master fails',
    ]) {
      t.regex(child.output, new RegExp(step));
    }
    t.regex(child.output, /scaled to two .*answers by #1 #2, none failed/);
  },
);
