import { join } from 'node:path';
import type { DataPlane, Step } from '../../ts/dataplane/dataplane.js';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import { IpvsDataPlane } from '../../ts/dataplane/ipvs/ipvs.js';
import { compareBackends, type ForwardedVip } from '../../ts/model/forwarding.js';
import { median } from './statistics.js';

/** What one size costs, as this program prints it in JSON; times in milliseconds. */
export interface Programming {
  readonly fill: number;
  readonly read: number;
  readonly change: number;
  readonly adopt: number;
  readonly remove: number;
  readonly megabytes: number;
}

/** `programming-program.js DIRECTORY CGROUP VIPS ebpf|ipvs`: pins are made in the directory's `bpf`; a process of its own, so that its memory is only about this. */
const [directory = '', cgroup = '', count = '0', kind = 'ebpf'] = process.argv.slice(2);

const limits = { vips: 32_768, backends: 131_072, flows: 65_536 };
const interfaces = { tc: [], xdp: [], xdpMode: 'auto' } as const;
const bpffs = join(directory, 'bpf/programming');
const settingsFile = join(directory, 'programming-settings.json');
const planeOf = (): DataPlane =>
  kind === 'ipvs'
    ? new IpvsDataPlane({ settingsFile })
    : new EbpfDataPlane({ bpffs, cgroup, interfaces, limits, sampleConnections: 0 });

function vipOf(i: number, weight = 1): ForwardedVip {
  const address = (j: number) => `10.88.${(i >> 6) & 255}.${(i & 63) * 4 + (j & 3)}`;
  const backends = Array.from({ length: 10 }, (_, j) => ({
    address: address(j),
    port: 1000 + j,
    weight: j === 0 ? weight : 1,
  }));
  const frontend = { protocol: 'tcp', address: `11.2.${i >> 8}.${i & 255}`, port: 80 } as const;
  return { frontend, backends: backends.sort(compareBackends) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function applied(plane: DataPlane, steps: readonly Step[]): Promise<void> {
  const fault = (await plane.apply(steps)).find((outcome) => outcome !== undefined);
  if (fault) throw new Error(`${fault.object}: ${fault.cause}`);
}

const upsert = (vip: ForwardedVip): Step => ({ kind: 'upsert', vip });
const vips = Array.from({ length: Number(count) }, (_, i) => vipOf(i));

const plane = planeOf();
await plane.open();
const fill = await timed(() => applied(plane, vips.map(upsert)));
const read = await timed(() => plane.read());
const changes: number[] = [];
for (let i = 0; i < 50; i += 1) {
  changes.push(await timed(() => applied(plane, [upsert(vipOf((i * 7919) % vips.length, 2 + i))])));
}
await plane.release();
const next = planeOf();
const adopt = await timed(async () => {
  await next.open();
  await next.read();
});
const remove = await timed(() =>
  applied(
    next,
    vips.map(({ frontend }) => ({ kind: 'remove', key: `tcp/${frontend.address}:80` })),
  ),
);
const megabytes = process.memoryUsage.rss() / (1 << 20);
await next.remove();
console.log(JSON.stringify({ fill, read, change: median(changes), adopt, remove, megabytes } satisfies Programming));
