import { ipvs } from '../helpers/kernel-needs.js';
import { type Need, rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import { serviceOf, targetOf } from '../helpers/services.js';

const withoutIpvs: Need = { name: 'a kernel without IPVS', there: !ipvs.there, expected: false };

rootTest(
  'mode ipvs on a kernel that has none: that is said, and nothing changes',
  async (t) => {
    const { client, servers, daemon } = await setScene(t, 'tc', ['one'], (all) => [
      serviceOf('web', '11.0.0.80:80', all),
    ]);
    const target = targetOf(serviceOf('web', '11.0.0.80:80', servers));
    const talk = await client.open('tcp', target);
    const error = await t.throwsAsync(daemon.client.setMode({ body: { mode: 'ipvs' } }));
    t.regex(error?.message ?? '', /mode ipvs: ipvs: this kernel \(.*\) has no IPVS/);
    t.like(await daemon.client.status(), { healthy: true, plane: 'ebpf', mode: { wanted: 'auto', plane: 'ebpf' } });
    t.like(await talk.ask(), { name: 'one' });
    t.like(await client.ask('tcp', target), { name: 'one' });
  },
  withoutIpvs,
);
