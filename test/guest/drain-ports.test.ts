import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { services } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { targetOf } from '../helpers/services.js';
import { type Plane, resent } from '../helpers/users.js';

// A client's port comes again, towards the same backend, from one plane to the other: the kernel tracks both, and gives the
// later another port.

/** One backend, a client with one port, and another client. */
async function scene(t: ExecutionContext, mode: Plane) {
  const lab = Lab.create(t);
  const servers = [await startEcho(lab, lab.site('one'), 'one')];
  const site = lab.site('workload');
  site.namespace.sysctl('ipv4/ip_local_port_range', '40000 40000');
  site.namespace.sysctl('ipv4/tcp_tw_reuse', 1);
  const all = services(servers);
  const [client, other] = [await Agent.start(lab, site.namespace), await Agent.start(lab, lab.site('other').namespace)];
  return { lab, client, other, target: targetOf(all[0]!), daemon: await Daemon.start(lab, all, '--mode', mode) };
}

/** Until a client may use the port again that it has just closed. */
const untilFree = () => sleep(1_500);

rootTest(
  'drain: IPVS stays while a connection needs it that came from a port of one of its own, to the same backend',
  async (t) => {
    const { client, other, target, daemon } = await scene(t, 'ipvs');
    const held = await other.open('tcp', target);
    t.like(await held.ask(), { name: 'one' });
    t.like(await client.ask('tcp', target), { name: 'one' });
    await daemon.client.setMode({ body: { mode: 'ebpf', drainMs: 600_000 } });
    await untilFree();
    const talk = await client.open('tcp', target);
    t.like(await talk.ask(), { name: 'one' });
    await held.close();
    await sleep(15_000); // in which IPVS's own would be over
    t.like(await talk.ask(), { name: 'one' });
    t.like(await daemon.client.mode(), { plane: 'ebpf', draining: { plane: 'ipvs' } });
    await talk.close();
    await until('the end of the drain', 60_000, async () => (await daemon.client.mode()).draining === undefined);
    await untilFree();
    t.like(await client.ask('tcp', target), { name: 'one' });
  },
  guest,
  ipvs,
);

rootTest(
  'drain: a port that a connection of eBPF had opens one of IPVS to the same backend at once',
  async (t) => {
    const { lab, client, other, target, daemon } = await scene(t, 'ebpf');
    const held = await other.open('tcp', target);
    const talk = await client.open('tcp', target);
    for (const one of [held, talk]) t.like(await one.ask(), { name: 'one' });
    await daemon.client.setMode({ body: { mode: 'ipvs', drainMs: 600_000 } });
    for (const one of [held, talk]) t.like(await one.ask(), { name: 'one' });
    await talk.close();
    await untilFree();
    const before = resent(lab);
    t.like(await client.ask('tcp', target), { name: 'one' });
    t.is(resent(lab), before, 'nothing was sent again');
    await held.close();
  },
  guest,
  ipvs,
);
