import { BpfMap } from '../../ts/libbpf/map.js';
import type { Daemon } from '../helpers/daemon.js';
import type { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { hooks, setScene } from '../helpers/scene.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// New connections go to backends that have been quick to connect to; where nobody can tell, to any.

const vips = ['11.0.0.80:80', '[fd01:c::80]:80'] as const;
const target = (vip: string) => targetOf({ name: '', vip, backends: [] });
/** Where `recent` is in struct connects of bpf/lb.h. */
const RECENT = 64;

/** As if connects to a backend had taken so long lately, ns. */
async function took(lab: Lab, { client }: Daemon, key: string, address: string, ns: bigint): Promise<void> {
  const { kernel } = await client.explain({ key });
  const held = (kernel as { backends: { id: number; endpoint: string }[] }).backends;
  const map = BpfMap.openPinned(`${lab.bpffs}/vipd/maps/backend_connects`);
  const id = Buffer.alloc(4);
  id.writeUInt32LE(held.find(({ endpoint }) => endpoint.includes(address))!.id);
  const record = Buffer.from(map.get(id)!);
  record.writeBigUInt64LE(ns, RECENT);
  map.set(id, record);
  map.close();
}

for (const hook of hooks) {
  rootTest(`${hook}: latency serves by every backend while nothing is known of them`, async (t) => {
    const { client } = await setScene(t, hook, ['one', 'two'], (each) =>
      vips.map((vip) => serviceOf(`s${vip.length}`, vip, each, { schedule: 'latency' })),
    );
    for (const vip of vips) {
      const tally = await client.tally('tcp', target(vip), 60);
      t.deepEqual(Object.keys(tally).sort(), ['one', 'two'], `${vip} ${JSON.stringify(tally)}`);
    }
  });
}

rootTest('a backend that is slow or fails is met now and then, one that is new at once', async (t) => {
  const { lab, client, daemon, servers } = await setScene(t, 'sock', ['one', 'two'], (each) =>
    vips.map((vip) => serviceOf(`s${vip.length}`, vip, each, { schedule: 'latency' })),
  );
  const [, two] = servers;
  for (const vip of vips) {
    const name = `s${vip.length}`;
    await took(lab, daemon, name, vip.startsWith('[') ? two!.v6 : two!.v4, 3_600_000_000_000n);
    // 1 of 16 of 100 goes to the slow one, who stays slow: 6, and five standard deviations are 12.
    const tally = await client.tally('tcp', target(vip), 100);
    t.true((tally.two ?? 0) <= 18, `${vip} ${JSON.stringify(tally)}`);
    t.is((tally.one ?? 0) + (tally.two ?? 0), 100);
  }
  await daemon.serve([
    serviceOf('s12', vips[0], servers.slice(0, 1), { schedule: 'latency' }),
    serviceOf('s15', vips[1], servers, { schedule: 'latency' }),
  ]);
  const both = [
    serviceOf('s12', vips[0], servers, { schedule: 'latency' }),
    serviceOf('s15', vips[1], servers, { schedule: 'latency' }),
  ];
  await daemon.serve(both);
  t.true((await client.tally('tcp', target(vips[0]), 20)).two! >= 1);
  two!.child.kill('SIGKILL');
  await two!.child.exited;
  const tally = await client.tally('tcp', target(vips[0]), 100);
  t.true((tally.ECONNREFUSED ?? 0) <= 18, JSON.stringify(tally));
});
