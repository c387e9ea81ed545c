import { rmSync } from 'node:fs';
import { IpvsDataPlane } from '../../ts/dataplane/ipvs/ipvs.js';
import { IpvsTable } from '../../ts/dataplane/ipvs/table.js';
import { parseEndpoint } from '../../ts/model/address.js';
import { vipKey } from '../../ts/model/service.js';
import { ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { dataPlaneContract, type PlaneHarness, upsert, vip } from './dataplane.js';

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

rootTest(
  'ipvs: a service that others have put in the place of ours is not removed with ours',
  async (t) => {
    const there = await harness();
    t.teardown(() => there.dispose());
    const plane = there.plane();
    await plane.open();
    const web = vip('11.0.0.80', 'tcp', ['10.0.0.1', 8080, 1]);
    const key = vipKey(web.frontend);
    t.deepEqual(await plane.apply([upsert(web)]), [undefined]);
    const table = new IpvsTable();
    t.teardown(() => table.close());
    await there.damage(key);
    table.add(web.frontend, { scheduler: 'rr', flags: 0, timeout: 0 });
    t.deepEqual(await plane.apply([{ kind: 'remove', key }]), [undefined]);
    t.is(table.service(web.frontend)?.scheduler, 'rr');
    table.remove(web.frontend);
  },
  ipvs,
);
