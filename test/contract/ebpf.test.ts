import { mkdirSync, rmdirSync } from 'node:fs';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import { cgroup2Mount, isBpffs } from '../../ts/libbpf/features.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import type { VipKey } from '../../ts/model/service.js';
import { mountBpffs } from '../../ts/native/system.js';
import { rootTest } from '../helpers/needs.js';
import { dataPlaneContract, type PlaneHarness } from './dataplane.js';

let made = 0;

/** Planes over pins and a cgroup of their own; nothing is attached anywhere else. */
async function harness(): Promise<PlaneHarness> {
  if (!isBpffs('/sys/fs/bpf')) mountBpffs('/sys/fs/bpf');
  const name = `vipd-contract-${process.pid}-${++made}`;
  const bpffs = `/sys/fs/bpf/${name}`;
  const cgroup = `${cgroup2Mount()}/${name}`;
  mkdirSync(cgroup);
  const planes: EbpfDataPlane[] = [];
  const plane = (): EbpfDataPlane => {
    const limits = { vips: 2000, backends: 8000, flows: 4096 };
    const interfaces = { tc: [], xdp: [], xdpMode: 'auto' } as const;
    const made = new EbpfDataPlane({ bpffs, cgroup, interfaces, limits, sampleConnections: 0 });
    planes.push(made);
    return made;
  };
  return {
    plane,
    async damage(key: VipKey) {
      const vips = BpfMap.openPinned(`${bpffs}/maps/vips`);
      const held = await planes.at(-1)!.inspect(key);
      const id = Buffer.alloc(4);
      id.writeUInt32LE(held!.id as number);
      vips.set(id, Buffer.alloc(vips.info.valueSize));
      vips.close();
    },
    async dispose() {
      for (const one of planes) await one.release();
      await plane().remove();
      rmdirSync(cgroup);
    },
  };
}

dataPlaneContract((title, body) => rootTest(title, body), 'ebpf', harness);
