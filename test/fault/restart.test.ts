import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { hooks } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';

// Forwarding does not need the daemon: it may stop, crash and come back while clients keep asking.

const web = (servers: readonly EchoServer[]) => [serviceOf('web', '11.0.0.80:80', servers)];

const scenes = Object.fromEntries(hooks.map((hook) => [hook, shareScene(hook, ['one', 'two'])]));

for (const hook of hooks) {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    rootTest(`D5: ${hook}: ${signal} and a restart under load fail no request and no connection`, async (t) => {
      const { client, servers, daemon } = await scenes[hook]!(web);
      const target = targetOf(web(servers)[0]!);
      const old = await client.open('tcp', target);
      const served = await old.ask();
      const stop = await client.load('tcp', target);
      await sleep(200);
      await daemon.end(signal);
      t.deepEqual(await old.ask(), served);
      await sleep(300);
      await daemon.restart();
      await daemon.holds(web(servers));
      await sleep(200);
      const { answers, failures } = await stop();
      t.deepEqual(failures, {});
      t.deepEqual(Object.keys(answers).sort(), ['one', 'two']);
      t.deepEqual(await old.ask(), served);
    });
  }
}

rootTest('a restarted daemon knows what happened meanwhile to its file', async (t) => {
  const { client, servers, daemon } = await scenes.tc!(web);
  await daemon.end('SIGKILL');
  daemon.write(web(servers.slice(0, 1)));
  await daemon.restart();
  await daemon.holds(web(servers.slice(0, 1)));
  t.deepEqual(await client.tally('tcp', targetOf(web(servers)[0]!), 20), { one: 20 });
});

rootTest('D5: what a source that stays silent may have defined is kept, until it is gone too', async (t) => {
  const { client, servers, daemon } = await scenes.tc!(web);
  const target = targetOf(web(servers)[0]!);
  await daemon.end('SIGKILL');
  daemon.write([]);
  await daemon.restart('--mesos-master', 'http://192.0.2.9:5050', '--source-wait', '1s');
  await until('that it goes on', 20_000, async () => (await daemon.client.status()).reconcile.converged);
  t.deepEqual(Object.keys(await client.tally('tcp', target, 20)).sort(), ['one', 'two']);
  await daemon.end('SIGTERM');
  await daemon.restart();
  await until('the end of the VIP', 20_000, async () => (await client.ask('tcp', target)).error !== undefined);
});

rootTest('a second daemon on the same pins is refused and disturbs nothing', async (t) => {
  const { client, servers, daemon } = await scenes.tc!((all) => web(all.slice(0, 1)));
  const second = daemon.another();
  t.not(await second.exited, 0);
  t.regex(second.output, /another vipd holds it, pid \d+/);
  t.like(await client.ask('tcp', targetOf(web(servers)[0]!)), { name: 'one' });
});
