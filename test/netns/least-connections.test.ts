import { until } from '../../ts/quickstart/until.js';
import type { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { clientBy, hooks, setScene } from '../helpers/scene.js';
import { type EchoServer, startEcho, startIn } from '../helpers/servers.js';
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

for (const hook of ['tc', 'xdp'] as const) {
  for (const policy of [{ exact: true }, { forwarding: 'full-nat' }] as const) {
    rootTest(`${hook}: flows that are tracked exactly count, ${JSON.stringify(policy)}`, async (t) => {
      const lab = Lab.create(t);
      // On uplinks, so that full NAT has something to do.
      const [one, two] = await Promise.all(
        ['one', 'two'].map((name) => startEcho(lab, lab.site(name, 'uplink'), name)),
      );
      const client = await clientBy(hook, lab);
      const service = (...servers: readonly EchoServer[]) =>
        vips.map((vip) => serviceOf(`s${vip.length}`, vip, servers, { schedule, ...policy }));
      const daemon = await Daemon.start(lab, service(one!));
      for (const vip of vips) t.deepEqual((await open(client, vip, 20)).names, named(20, 0));
      await daemon.serve(service(one!, two!));
      for (const vip of vips) await t.notThrowsAsync(shared(client, vip, 2, 22));
      const { flows } = await daemon.client.flows({ exact: true, limit: 1_000 });
      t.true(flows.filter(({ state }) => state === 'established').length >= 40, 'they are exact ones');
    });
  }

  rootTest(
    `D23: ${hook}: after many changes of backends and connections nothing is left over in the counts`,
    async (t) => {
      const { client, daemon, servers } = await setScene(t, hook, ['one', 'two', 'three'], (each) => [
        serviceOf('s', vips[0], each, { schedule }),
      ]);
      const service = (...some: readonly EchoServer[]) => serviceOf('s', vips[0], some, { schedule });
      const [one, two, three] = servers as [EchoServer, EchoServer, EchoServer];
      for (let round = 0; round < 12; round += 1) {
        const some = await open(client, vips[0], 30);
        await daemon.serve([round % 2 === 0 ? service(one, three) : service(two, three)]);
        const more = await open(client, vips[0], 10);
        await daemon.serve([service(one, two, three)]);
        await Promise.all([some.close(), more.close()]);
      }
      await daemon.serve([service(one, two)]);
      // None has any now: the next are shared out evenly.
      await t.notThrowsAsync(shared(client, vips[0], 12, 12));
    },
  );
}

rootTest('D23: checks that fail now and then, but never in a row, take no backend out', async (t) => {
  const { lab, daemon, servers } = await setScene(t, 'sock', ['one'], (each) => [serviceOf('s', vips[0], each)]);
  const [{ v4, namespace, link, v6, nodeV4, nodeV6 }] = servers as [EchoServer];
  const moody = `let n = 0; require('http').createServer((q, r) => { r.statusCode = n++ % 2 ? 200 : 503; r.end(); })
    .listen(8080, () => console.log('listening'));`;
  const site = { v4, namespace, link, v6, nodeV4, nodeV6 };
  await startIn(lab, site, [process.execPath, '-e', moody]).wrote('listening');
  const health = { type: 'http', interval: '100ms', timeout: '1s', rise: 1, fall: 2, port: 8080 } as const;
  await daemon.serve([{ ...serviceOf('s', vips[0], servers), health }]);
  const states = new Set<string>();
  for (let i = 0; i < 40; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const { state } of (await daemon.client.vip({ key: 's' })).backends) states.add(state);
  }
  t.deepEqual([...states], ['active']);
});
