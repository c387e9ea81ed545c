import { existsSync } from 'node:fs';
import { Cgroup } from '../../ts/quickstart/cgroup.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import type { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Which parts of the sock hook are there, and whom it leaves alone.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });

function groupIn(lab: Lab, name: string): Cgroup {
  const group = new Cgroup(`${lab.id}/${name}`);
  lab.beforeRemoval(() => {
    group.kill();
    group.remove();
  });
  return group;
}

rootTest(
  'D24: processes of a cgroup that opted out, and below it, are served by tc; those beside it by sock',
  async (t) => {
    const { lab, servers, daemon } = await setScene(
      t,
      'sock',
      ['one', 'two'],
      (each) => vips.map((vip) => serviceOf(`s${vip.length}`, vip, each, { schedule: 'round-robin' })),
      ...['--reconcile-interval', '500ms'],
    );
    const beside = groupIn(lab, 'sidecar2');
    const sidecar = groupIn(lab, 'sidecar');
    const deeper = groupIn(lab, 'sidecar/proxy');
    await daemon.end('SIGTERM');
    await daemon.restart('--sock-opt-out', sidecar.path, '--reconcile-interval', '500ms');
    // One that comes into being later is found.
    for (const group of [sidecar, deeper, beside]) group.create();
    const verdicts = async () => (await daemon.client.status()).verdicts as Record<string, number>;
    const site = lab.site('client').namespace;
    await daemon.holds(vips.map((vip) => serviceOf(`s${vip.length}`, vip, servers)));
    const [proxy, other] = await Promise.all([deeper, beside].map((group) => Agent.start(lab, site, group)));
    await until('that it is left alone', 20_000, async () => {
      const before = (await verdicts()).left!;
      await proxy!.ask('tcp', target(vips[0]));
      return (await verdicts()).left! > before;
    });
    const start = await verdicts();
    for (const vip of vips) t.deepEqual(await proxy!.tally('tcp', target(vip), 4), { one: 2, two: 2 }, vip);
    const left = await verdicts();
    t.is(left.translated, start.translated);
    t.is(left.left! - start.left!, 8);
    t.true(left.forwarded! > start.forwarded!);
    for (const vip of vips) t.deepEqual(await other!.tally('tcp', target(vip), 4), { one: 2, two: 2 }, vip);
    const end = await verdicts();
    t.is(end.translated! - left.translated!, 8);
    t.is(end.left, left.left);
  },
);

rootTest('datagrams are taken while there is a VIP of UDP, always, or never', async (t) => {
  const { lab, client, servers, daemon } = await setScene(
    t,
    'sock',
    ['one'],
    (each) => [serviceOf('tcp', vips[0], each)],
    ...['--reconcile-interval', '500ms'],
  );
  const there = (name: string) => existsSync(`${lab.bpffs}/vipd/links/sock_${name}`);
  const tcp = serviceOf('tcp', vips[0], servers);
  const udp = serviceOf('udp', vips[0], servers, { protocol: 'udp' });
  t.deepEqual([there('connect4'), there('sendmsg4'), there('recvmsg6')], [true, false, false]);
  await daemon.serve([tcp, udp]);
  t.deepEqual([there('sendmsg4'), there('sendmsg6'), there('recvmsg4')], [true, true, true]);
  t.like(await client.ask('udp', target(vips[0])), { name: 'one' });
  await daemon.end('SIGTERM');
  await daemon.restart();
  await daemon.holds([tcp, udp]);
  t.true(there('sendmsg4'), 'adopted');
  await daemon.serve([tcp]);
  await until('that it is gone', 20_000, () => !there('sendmsg4') && !there('recvmsg4'));
  await daemon.end('SIGTERM');
  await daemon.restart('--sock-datagrams', 'on');
  await until('that it is there', 20_000, () => there('sendmsg4') && there('recvmsg4'));
  await daemon.end('SIGTERM');
  await daemon.restart('--sock-datagrams', 'off');
  await daemon.serve([tcp, udp]);
  await until('the answers alone', 20_000, () => !there('sendmsg4') && there('recvmsg4'));
  t.like(await client.ask('udp-connected', target(vips[0])), { name: 'one', from: target(vips[0]) });
});
