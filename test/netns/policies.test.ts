import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import type { Daemon } from '../helpers/daemon.js';
import { rootTest } from '../helpers/needs.js';
import { hooks } from '../helpers/scene.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';

// Real clients and what the policy of a service does to them, by all three hooks.

const names = ['one', 'two', 'three'];
const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });

/** How often it was counted since the daemon's scene was set. */
const verdict = async (daemon: Daemon, name: string) => (await daemon.client.status()).verdicts[name] ?? 0;

const scenes = Object.fromEntries(hooks.map((hook) => [hook, shareScene(hook, names)]));

for (const hook of hooks) {
  rootTest(`${hook}: round robin goes round, weighted random keeps to its weights`, async (t) => {
    const { client, daemon, servers } = await scenes[hook]!((each) =>
      vips.map((vip) => serviceOf(`r${vip.length}`, vip, each, { schedule: 'round-robin' })),
    );
    for (const vip of vips) {
      t.deepEqual(await client.tally('tcp', target(vip), 30), { one: 10, two: 10, three: 10 });
    }
    await daemon.serve(
      vips.map((vip) => {
        const service = serviceOf(`r${vip.length}`, vip, servers, { schedule: 'random' });
        const weighted = service.backends.map((one, i) => ({ address: String(one), weight: [1, 1, 6][i]! }));
        return { ...service, backends: weighted };
      }),
    );
    for (const vip of vips) {
      // 160 draws at 3/4: 120, and five standard deviations are 27.
      const tally = await client.tally('tcp', target(vip), 160);
      t.true(tally.three! > 93 && tally.three! < 147, JSON.stringify(tally));
      t.is((tally.one ?? 0) + (tally.two ?? 0) + tally.three!, 160);
    }
  });

  rootTest(`${hook}: a client keeps its backend until it has been silent for its time`, async (t) => {
    const { client } = await scenes[hook]!((each) => [
      ...vips.map((vip) => serviceOf(`long${vip.length}`, vip, each, { schedule: 'round-robin', affinity: '1h' })),
      serviceOf('short', '11.0.0.81:80', each, { schedule: 'round-robin', affinity: '100ms' }),
      serviceOf('udp', '11.0.0.82:80', each, { protocol: 'udp', schedule: 'round-robin', affinity: '1h' }),
    ]);
    for (const vip of vips) t.is(Object.keys(await client.tally('tcp', target(vip), 12)).length, 1, vip);
    t.is(Object.keys(await client.tally('udp', target('11.0.0.82:80'), 12)).length, 1);
    t.is(Object.keys(await client.tally('udp-connected', target('11.0.0.82:80'), 12)).length, 1);
    const met = new Set<string>();
    await until('every backend', 30_000, async () => {
      const answer = await client.ask('tcp', target('11.0.0.81:80'));
      met.add(answer.error ?? answer.name);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return met.size === names.length;
    });
    t.deepEqual([...met].sort(), [...names].sort());
  });

  rootTest(`${hook}: only listed sources are served, the others refused at once`, async (t) => {
    const { client, daemon, servers } = await scenes[hook]!(([one]) => [
      serviceOf('in4', '11.0.0.80:80', [one!], { allow: ['10.77.0.0/16'] }),
      serviceOf('in6', '[fd01:c::80]:80', [one!], { allow: ['fd77::/16'] }),
      serviceOf('out4', '11.0.0.81:80', [one!], { deny: ['10.77.0.0/16'] }),
      serviceOf('out6', '[fd01:c::81]:80', [one!], { allow: ['2001:db8::/32'] }),
    ]);
    const before = await verdict(daemon, 'denied');
    for (const vip of vips) t.like(await client.ask('tcp', target(vip)), { name: 'one' });
    const open = await client.open('tcp', target(vips[0]));
    for (const vip of ['11.0.0.81:80', '[fd01:c::81]:80']) {
      t.deepEqual(await client.ask('tcp', target(vip)), { error: 'ECONNREFUSED' }, vip);
    }
    await daemon.serve([
      serviceOf('in4', '11.0.0.80:80', servers.slice(0, 1), { deny: ['10.77.0.0/16'] }),
      serviceOf('in6', '[fd01:c::80]:80', servers.slice(0, 1), {}),
    ]);
    t.deepEqual(await client.ask('tcp', target(vips[0])), { error: 'ECONNREFUSED' });
    t.like(await client.ask('tcp', target(vips[1])), { name: 'one' });
    t.like(await open.ask(), { name: 'one' });
    t.is((await verdict(daemon, 'denied')) - before, 3);
  });

  rootTest(`${hook}: who connects too fast is refused, what is established goes on`, async (t) => {
    const { client, daemon } = await scenes[hook]!(([one]) => [
      serviceOf('slow', '11.0.0.80:80', [one!], { connectionRate: 1 }),
    ]);
    const before = await verdict(daemon, 'limited');
    const open = await client.open('tcp', target(vips[0]));
    const tally = await until('a refusal', 20_000, async () => {
      const answers = await client.tally('tcp', target(vips[0]), 10);
      return (answers.ECONNREFUSED ?? 0) > 0 && answers;
    });
    t.deepEqual(
      Object.keys(tally).filter((key) => key !== 'one' && key !== 'ECONNREFUSED'),
      [],
    );
    t.like(await open.ask(), { name: 'one' });
    t.true((await verdict(daemon, 'limited')) > before);
    const again = await until('a later connection', 20_000, async () => {
      const answer = await client.ask('tcp', target(vips[0]));
      return answer.error === undefined && answer;
    });
    t.is(again.name, 'one');
  });
}

rootTest('a socket of another namespace has no source yet: what it sends is judged by the tc hook', async (t) => {
  const { lab, daemon } = await scenes.sock!(([one]) => [
    serviceOf('in', '11.0.0.80:80', [one!], { allow: ['10.77.0.0/16'] }),
    serviceOf('out', '11.0.0.81:80', [one!], { deny: ['10.77.0.0/16'] }),
  ]);
  const inside = await Agent.start(lab, lab.site('client').namespace, lab.cgroup);
  await until('the hook on its interface', 10_000, async () => {
    const { hooks: attached } = await daemon.client.status();
    return attached.filter(({ hook, attached: there }) => hook === 'tc' && there).length >= 4;
  });
  const [left, denied] = [await verdict(daemon, 'left'), await verdict(daemon, 'denied')];
  t.like(await inside.ask('tcp', target('11.0.0.80:80')), { name: 'one' });
  t.deepEqual(await inside.ask('tcp', target('11.0.0.81:80')), { error: 'ECONNREFUSED' });
  t.is((await verdict(daemon, 'left')) - left, 2);
  t.is((await verdict(daemon, 'denied')) - denied, 1);
});
