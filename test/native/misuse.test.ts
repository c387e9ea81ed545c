import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { addon } from '../../ts/native/binding.js';
import { addonFile } from '../../ts/util/paths.js';
import { misuses } from './misuse.js';
import { kernelTest } from './privileged.js';

for (const { title, run } of misuses) {
  kernelTest(`survives ${title}`, async (t) => {
    await t.notThrowsAsync(async () => run(addon()));
  });
}

test('refuses to load in a worker, before and after it was loaded in the main thread', async (t) => {
  const script = `require('node:worker_threads').parentPort.postMessage(
    (() => { try { require(${JSON.stringify(addonFile)}); return 'loaded' } catch (e) { return e.message } })())`;
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(script, { eval: true });
    const [message] = await once(worker, 'message');
    t.regex(message, /main thread only, not in a worker/);
    await worker.terminate();
    t.true(addon().possibleCpus() > 0);
  }
});
