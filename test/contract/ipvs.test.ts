import { rmSync } from 'node:fs';
import { IpvsDataPlane } from '../../ts/dataplane/ipvs/ipvs.js';
import { IpvsTable } from '../../ts/dataplane/ipvs/table.js';
import { parseEndpoint } from '../../ts/model/address.js';
import { ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { dataPlaneContract, type PlaneHarness } from './dataplane.js';

const settingsFile = `/run/vipd-contract-${process.pid}.json`;

/** Planes over the table of this network namespace; only what is ours in it is touched. */
async function harness(): Promise<PlaneHarness> {
  const planes: IpvsDataPlane[] = [];
  const plane = (): IpvsDataPlane => {
    const made = new IpvsDataPlane({ settingsFile });
    planes.push(made);
    return made;
  };
  return {
    plane,
    async damage(key) {
      const [protocol, end = ''] = key.split('/');
      const table = new IpvsTable();
      table.remove({ protocol: protocol as 'tcp' | 'udp', ...parseEndpoint(end) });
      table.close();
    },
    async dispose() {
      for (const one of planes) await one.release();
      await plane().remove();
      rmSync(settingsFile, { force: true });
    },
  };
}

dataPlaneContract((title, body) => rootTest(title, body, ipvs), 'ipvs', harness);
