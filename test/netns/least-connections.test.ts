import { until } from '../../ts/quickstart/until.js';
import type { Agent } from '../helpers/agent.js';
import { rootTest } from '../helpers/needs.js';
import { clientBy, hooks, setScene } from '../helpers/scene.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// New connections go to whoever has fewest, by what is open at the time, whichever hook has given it out.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
const schedule = 'least-connections';

/** Opens connections, and says who has them. */
async function open(client: Agent, vip: string, count: number) {
  const all = await Promise.all(Array.from({ length: count }, () => client.open('tcp', target(vip))));
  const answers = await Promise.all(all.map((dialogue) => dialogue.ask()));
  const close = () => Promise.all(all.map((dialogue) => dialogue.close()));
  return { close, names: answers.map((answer) => answer.error ?? answer.name).sort() };
}

const named = (one: number, two: number): string[] => [...Array(one).fill('one'), ...Array(two).fill('two')];

/** Waits until so many connections, opened and closed again, are shared out like this: it is counted once a second. */
async function shared(client: Agent, vip: string, one: number, two: number): Promise<void> {
  await until(`that the next go to one ${one} times and to two ${two} times`, 40_000, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const next = await open(client, vip, one + two);
    await next.close();
    return next.names.join() === named(one, two).join();
  });
}

for (const hook of hooks) {
  rootTest(
    `${hook}: a backend that is new has the next connections until it has as many, then they take turns`,
    async (t) => {
      const { lab, client, daemon, servers } = await setScene(t, hook, ['one'], (each) =>
        vips.map((vip) => serviceOf(`s${vip.length}`, vip, each, { schedule })),
      );
      for (const vip of vips) t.deepEqual((await open(client, vip, 20)).names, named(20, 0));
      const both = [...servers, await startEcho(lab, lab.site('two'), 'two')];
      await daemon.serve(vips.map((vip) => serviceOf(`s${vip.length}`, vip, both, { schedule })));
      for (const vip of vips) await t.notThrowsAsync(shared(client, vip, 2, 22));
    },
  );
}

rootTest('sockets and flows count alike, and a restart finds them again', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one'], (each) => [
    serviceOf('s', vips[0], each, { schedule }),
  ]);
  const workload = await clientBy('tc', lab);
  await until('the hook on its interface', 10_000, async () => {
    return (await workload.ask('tcp', target(vips[0]))).error === undefined;
  });
  t.deepEqual((await open(client, vips[0], 5)).names, named(5, 0));
  t.deepEqual((await open(workload, vips[0], 5)).names, named(5, 0));
  const both = [...servers, await startEcho(lab, lab.site('two'), 'two')];
  const services = [serviceOf('s', vips[0], both, { schedule })];
  await daemon.serve(services);
  await shared(client, vips[0], 1, 11);
  await daemon.end('SIGKILL');
  await daemon.restart();
  await daemon.holds(services);
  t.is((await daemon.client.status()).reconcile.drift, 0);
  t.false(daemon.child!.output.includes('mending'));
  await t.notThrowsAsync(shared(workload, vips[0], 1, 11));
});
