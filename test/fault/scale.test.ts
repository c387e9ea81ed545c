import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { crowd, roomy, serviceOf, targetOf } from '../helpers/services.js';

// Many services, and more of them than there is room for.

rootTest('10,000 VIPs of 10 backends are programmed, read back equal, adopted after a kill, and removed', async (t) => {
  const lab = Lab.create(t);
  const server = await startEcho(lab, lab.site('server'), 'one');
  const client = await Agent.start(lab, lab.site('client').namespace);
  const real = serviceOf('real', '11.0.0.80:80', [server]);
  const daemon = await Daemon.start(lab, [real], ...roomy);
  const services = [...crowd(10_000), real];
  await daemon.serve(services);
  const { vips } = await daemon.client.vips();
  t.is(vips.length, 10_001);
  for (const name of ['crowd-0', 'crowd-5000', 'crowd-9999']) {
    t.deepEqual(await daemon.driftOf(name), [], name);
  }
  t.like(await client.ask('tcp', targetOf(real)), { name: 'one' });

  await daemon.end('SIGKILL');
  await daemon.restart();
  await daemon.holds(services);
  t.is((await daemon.client.status()).reconcile.drift, 0);

  await daemon.serve([real]);
  t.is((await daemon.client.vips()).vips.length, 1);
  t.like(await client.ask('tcp', targetOf(real)), { name: 'one' });
});

rootTest('what there is no room for is refused by name, and the rest goes on being served', async (t) => {
  const lab = Lab.create(t);
  const server = await startEcho(lab, lab.site('server'), 'one');
  const client = await Agent.start(lab, lab.site('client').namespace);
  const real = serviceOf('a-real', '11.0.0.80:80', [server]);
  const daemon = await Daemon.start(lab, [real], '--max-vips', '4', '--max-backends', '64');
  daemon.write([real, ...crowd(6)]);
  const failed = await daemon.failures();
  t.true(failed.length >= 1);
  for (const { fault } of failed) t.truthy(fault?.hint, JSON.stringify(fault));
  t.like(await client.ask('tcp', targetOf(real)), { name: 'one' });
});
