import type { OpenDialogue } from '../helpers/agent.js';
import type { Daemon } from '../helpers/daemon.js';
import { rootTest } from '../helpers/needs.js';
import { hooks, setScene } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';
import { times } from '../helpers/thorough.js';

// UDP flows have neither beginning nor end: whatever happens to backends and daemon, each datagram goes to somebody who serves.

const vips = ['11.0.0.53:53', '[fd01:c::53]:53'] as const;
const names = ['one', 'two', 'three', 'four'];
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
const packetHooks = ['tc', 'xdp'] as const;

const services = (servers: readonly EchoServer[], policy = {}) =>
  vips.map((vip, i) => serviceOf(`dns${i}`, vip, servers, { protocol: 'udp', ...policy }));

const nameOf = async (dialogue: OpenDialogue) => {
  const answer = await dialogue.ask();
  return answer.error ?? answer.name;
};

/** The ids under which the kernel holds the backends of a service. */
async function idsOf(daemon: Daemon, key: string): Promise<readonly number[]> {
  const { kernel } = await daemon.client.explain({ key });
  return ((kernel?.backends ?? []) as readonly { readonly id: number }[]).map(({ id }) => id);
}

const scenes = Object.fromEntries(hooks.map((hook) => [hook, shareScene(hook, names)]));

for (const hook of hooks) {
  rootTest(
    `D4: ${hook}: a flow whose VIP has lost all its backends is served again as soon as there is one`,
    async (t) => {
      const { client, servers, daemon } = await scenes[hook]!((all) => services(all.slice(0, 1)));
      // The same port all the time. What is refused is not remembered, nor is who was there before.
      const flows = await Promise.all(vips.map((vip) => client.open('udp', target(vip))));
      for (const flow of flows) t.is(await nameOf(flow), 'one');
      await daemon.serve(services([]));
      for (const vip of vips) t.deepEqual(await client.ask('udp-connected', target(vip)), { error: 'ECONNREFUSED' });
      for (const flow of flows) t.true((await flow.ask()).error !== undefined, 'somebody answered');
      await daemon.serve(services(servers.slice(1, 2)));
      for (const flow of flows) t.is(await nameOf(flow), 'two');
    },
  );
}

for (const hook of packetHooks) {
  for (const policy of [{}, { exact: true }] as const) {
    const how = 'exact' in policy ? ', tracked exactly,' : '';
    rootTest(
      `D6: ${hook}: flows${how} stay with their backends when the daemon is killed or stopped and back`,
      async (t) => {
        const { client, daemon, servers } = await scenes[hook]!((all) => services(all.slice(0, 2), policy));
        const flows = await Promise.all(Array.from({ length: 20 }, (_, i) => client.open('udp', target(vips[i % 2]!))));
        const before = await Promise.all(flows.map(nameOf));
        t.true(new Set(before).size > 1, before.join());
        const stay = async (when: string) => t.deepEqual(await Promise.all(flows.map(nameOf)), before, when);
        // Backends more: were the flows forgotten, the tables would give some of them to others.
        await daemon.serve(services(servers, policy));
        for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
          await daemon.end(signal);
          await stay(`after ${signal}`);
          await daemon.restart();
          await daemon.holds(services(servers, policy));
          await stay(`back after ${signal}`);
        }
      },
    );
  }

  rootTest(`D8: ${hook}: ids of backends that are used again lead no flow to what another VIP has there`, async (t) => {
    const other = (servers: readonly EchoServer[]) => serviceOf('other', '11.0.0.54:53', servers, { protocol: 'udp' });
    const few = ['--max-backends', '4']; // so that there are no others to take
    const { client, daemon, servers } = await setScene(t, hook, names, (all) => services(all.slice(0, 2)), ...few);
    const own = services(servers.slice(0, 2));
    for (let round = 0; round < times(4, 12); round += 1) {
      const flows = await Promise.all(Array.from({ length: 8 }, (_, i) => client.open('udp', target(vips[i % 2]!))));
      const before = await Promise.all(flows.map(nameOf));
      const ids = [...(await idsOf(daemon, 'dns0')), ...(await idsOf(daemon, 'dns1'))];
      await daemon.serve(own.map((service) => ({ ...service, backends: service.backends.slice(0, 1) })));
      // Takes the ids that have just become free.
      await daemon.serve([...services(servers.slice(0, 1)), other(servers.slice(2))]);
      t.true(
        (await idsOf(daemon, 'other')).every((id) => ids.includes(id)),
        `${round}: of ${ids}`,
      );
      t.deepEqual(new Set(await Promise.all(flows.map(nameOf))), new Set(['one']), `${round}: ${before}`);
      await daemon.serve(own);
      for (const flow of flows) await flow.close();
    }
  });
}
