import { join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// Interfaces on which others have programs, and interfaces that appear while the daemon runs.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
const passObject = join(packageRoot, 'out/test/pass.bpf.o');

rootTest(
  'D18: an uplink whose XDP hook another program has is served by tc, says so, and by XDP once it is free',
  async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one'), 'one');
    const site = lab.site('client', 'uplink');
    const client = await Agent.start(lab, site.namespace);
    lab.node.ip(`link set ${site.link} xdpdrv object ${passObject} section xdp.frags`);
    const daemon = await Daemon.start(
      lab,
      vips.map((vip, i) => serviceOf(`web${i}`, vip, [server])),
    );
    const hooks = async () => (await daemon.client.status()).hooks.filter(({ where }) => where === site.link);
    const xdp = async () => (await hooks()).find(({ hook }) => hook === 'xdp');
    const [refused] = [await xdp()];
    t.like(refused, { attached: false, fault: { code: 'XDP_TAKEN', object: `xdp hook on ${site.link}` } });
    t.regex(refused?.fault?.cause ?? '', /another program has it: \w+ \(id \d+\)/);
    t.regex(refused?.fault?.hint ?? '', /tc serves up\d+ meanwhile/);
    t.is((await hooks()).filter(({ hook, attached }) => hook === 'tc' && attached).length, 2);
    const open = await Promise.all(vips.map((vip) => client.open('tcp', target(vip))));
    for (const talk of open) t.like(await talk.ask(), { name: 'one' });
    await daemon.end('SIGKILL');
    await daemon.restart();
    for (const talk of open) t.like(await talk.ask(), { name: 'one' });
    lab.node.ip(`link set ${site.link} xdp off`);
    await until('the XDP hook', 20_000, async () => (await xdp())?.attached === true);
    for (const talk of open) t.like(await talk.ask(), { name: 'one' });
    for (const vip of vips) t.like(await client.ask('tcp', target(vip)), { name: 'one' });
    await until(
      'one tc program less',
      20_000,
      async () => (await hooks()).filter(({ hook }) => hook === 'tc').length === 1,
    );
  },
);

rootTest(
  'a workload whose interface has just appeared is served, within a second where nothing else is to do',
  async (t) => {
    const lab = Lab.create(t);
    const server = await startEcho(lab, lab.site('one'), 'one');
    const daemon = await Daemon.start(lab, [serviceOf('web', vips[0], [server])], '--reconcile-interval', '1h');
    const took: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const begun = performance.now();
      const { link, namespace } = lab.site(`late${i}`);
      await until('its hooks', 20_000, async () => {
        const { hooks } = await daemon.client.status();
        return hooks.filter(({ where, attached }) => where === link && attached).length === 2;
      });
      took.push(performance.now() - begun);
      const client = await Agent.start(lab, namespace);
      t.like(await client.ask('tcp', target(vips[0])), { name: 'one' });
      // One that has its name only later, as container runtimes do it.
      run(lab.node.inside(['ip', 'link', 'add', `tmp${i}`, 'type', 'veth', 'peer', 'name', `peer${i}`]));
      lab.node.ip(`link set tmp${i} name wlate${i}`);
      await until('hooks by its new name', 20_000, async () => {
        const { hooks } = await daemon.client.status();
        return hooks.some(({ where, attached }) => where === `wlate${i}` && attached);
      });
    }
    t.log(`ms from before the link is made to its hooks: ${took.map((ms) => ms.toFixed(0)).join(' ')}`);
  },
);
