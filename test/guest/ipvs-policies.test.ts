import { attempt } from '../../ts/quickstart/command.js';
import { Agent } from '../helpers/agent.js';
import { createCluster } from '../helpers/cluster.js';
import { Daemon } from '../helpers/daemon.js';
import { scene } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// What the policy of a service does to real clients under IPVS, as test/netns/policies and modes have it for eBPF.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const service = (vip: string) => ({ name: `s${vip.length}`, vip, backends: [] });

rootTest(
  'ipvs: round robin goes round, random and least connections keep to weights, affinity to one backend, drains to what they have',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const all = (settings: object) => vips.map((vip) => serviceOf(service(vip).name, vip, servers, settings));
    const daemon = await Daemon.start(lab, all({ schedule: 'round-robin' }), '--mode', 'ipvs');
    const { workload, outside } = clients;
    for (const vip of vips) {
      t.deepEqual(await workload.tally('tcp', targetOf(service(vip)), 12), { one: 6, two: 6 }, vip);
    }
    // Debian's 6.1 comes without the module for `random`: guest/ipvs-faults has what is said then.
    const schedules = attempt(['modprobe', 'ip_vs_twos'])
      ? (['random', 'least-connections'] as const)
      : (['least-connections'] as const);
    for (const schedule of schedules) {
      const weighted = all({ schedule }).map((one) => ({
        ...one,
        backends: one.backends.map((address, i) => ({ address: String(address), weight: [1, 9][i]! })),
      }));
      await daemon.serve(weighted);
      for (const vip of vips) {
        const { one = 0, two = 0 } = await outside.tally('tcp', targetOf(service(vip)), 60);
        t.is(one + two, 60, `${schedule} ${vip}`);
        t.true(two > 2 * one && one > 0, `${schedule} ${vip}: ${one} and ${two}`);
      }
    }
    await daemon.serve(all({ schedule: 'round-robin', affinity: '1h' }));
    for (const vip of vips) {
      t.is(Object.keys(await workload.tally('tcp', targetOf(service(vip)), 8)).length, 1, `affinity ${vip}`);
    }
    await daemon.serve(all({ schedule: 'round-robin' }));
    const talks = await Promise.all(
      vips.flatMap((vip) => [0, 1].map(() => outside.open('tcp', targetOf(service(vip))))),
    );
    await daemon.serve(
      all({ schedule: 'round-robin' }).map((one) => ({
        ...one,
        backends: one.backends.map((address, i) => ({ address: String(address), weight: i })),
      })),
    );
    const kept = await Promise.all(talks.map((talk) => talk.ask()));
    t.deepEqual(kept.map((answer) => answer.error ?? answer.name).sort(), ['one', 'one', 'two', 'two']);
    for (const vip of vips) t.deepEqual(await workload.tally('tcp', targetOf(service(vip)), 6), { two: 6 }, vip);
  },
  guest,
  ipvs,
);

for (const mode of ['tunnel', 'direct'] as const) {
  rootTest(
    `ipvs: ${mode}: another node's vipd on eBPF takes what IPVS sends whole, and answers come straight back`,
    async (t) => {
      const { balancer, host, client, onHost } = createCluster(t);
      // A frame's MAC address leads no further than the link: there the node itself serves.
      const place = mode === 'direct' ? onHost : host.site('one');
      const servers = [await startEcho(host, place, 'one')];
      const all = vips.flatMap((vip, i) =>
        (['tcp', 'udp'] as const).map((protocol) => ({
          ...serviceOf(`${protocol}${i}`, vip, servers, { protocol }),
          forwarding: mode,
        })),
      );
      const [, there] = await Promise.all([
        Daemon.start(balancer, all, '--mode', 'ipvs'),
        Daemon.start(host, all, '--tc', 'w*', '--xdp', 'up*'),
      ]);
      const agent = await Agent.start(balancer, client.namespace);
      for (const one of all) {
        const manner = one.protocol === 'udp' ? 'udp' : 'tcp';
        await agent.tally(manner, targetOf(one), 2); // the first may find the next hop unknown
        t.deepEqual(await agent.tally(manner, targetOf(one), 5), { one: 5 }, one.name);
      }
      const { verdicts } = await there.client.status();
      t.true((verdicts.replied ?? 0) >= 20, JSON.stringify(verdicts));
      if (mode === 'tunnel') t.true((verdicts.arrived ?? 0) >= 20, JSON.stringify(verdicts));
    },
    guest,
    ipvs,
  );
}
