import fc from 'fast-check';
import { compareBackends } from '../../ts/model/forwarding.js';
import { backendKey, type Frontend, vipKey } from '../../ts/model/service.js';
import { rootTest } from '../helpers/needs.js';
import { frontend, port } from '../unit/dataplane/ebpf/arbitrary.js';
import { Client } from './client.js';
import { Kernel } from './kernel.js';

// User space files every VIP and backend under a hash that the programs compute anew for every packet.

const COUNT = 3000;

/** A backend of its own for every VIP, of the same family. */
function backendFor({ address }: Frontend, i: number): { address: string; port: number; weight: number } {
  const host = address.includes(':') ? `fd00:bac::${(i + 1).toString(16)}` : `10.200.${i >> 8}.${i & 255}`;
  return { address: host, port: 1 + ((i * 7919) % 65_535), weight: 1 };
}

rootTest('thousands of random VIPs and their backends are found where user space filed them', async (t) => {
  const kernel = await Kernel.open({ vips: 2 * COUNT, backends: 2 * COUNT, flows: 1 << 16 });
  t.teardown(() => kernel.dispose());
  const { plane } = kernel;
  const seed = Date.now();
  const vips = distinct(fc.sample(frontend, { numRuns: COUNT, seed })).map((one, i) => ({
    frontend: one,
    backends: [backendFor(one, i)].sort(compareBackends),
  }));
  t.true((await plane.apply(vips.map((vip) => ({ kind: 'upsert', vip })))).every((outcome) => outcome === undefined));
  const known = new Set(vips.map(({ frontend }) => vipKey(frontend)));
  const ports = fc.sample(port, { numRuns: vips.length, seed });
  for (const [i, { frontend, backends }] of vips.entries()) {
    const key = vipKey(frontend);
    const what = `${key}, seed ${seed}`;
    const client = new Client(frontend);
    const backend = backendKey(backends[0]!);
    t.is(client.ask(plane), backend, what);
    t.is(client.answer(plane, backend), key.slice(key.indexOf('/') + 1), `${backend} of ${what}`);
    for (const near of [frontend.port ^ 1, frontend.port ^ 0x100, ports[i]!]) {
      const neighbour = { ...frontend, port: near };
      if (near > 0 && !known.has(vipKey(neighbour)))
        t.is(new Client(neighbour).ask(plane), 'refused', `port ${near} beside ${what}`);
    }
    const other = { ...frontend, protocol: frontend.protocol === 'tcp' ? 'udp' : 'tcp' } as const;
    if (!known.has(vipKey(other))) t.is(new Client(other).ask(plane), 'refused', `${other.protocol} beside ${what}`);
  }
});

function distinct(frontends: readonly Frontend[]): Frontend[] {
  return [...new Map(frontends.map((frontend) => [vipKey(frontend), frontend])).values()];
}
