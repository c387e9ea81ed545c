import test from 'ava';
import { Addresses } from '../../../../ts/dataplane/ipvs/addresses.js';
import type { ForwardedVip } from '../../../../ts/model/forwarding.js';

function vip(address: string, backends: readonly string[], forwarding?: 'full-nat'): ForwardedVip {
  return {
    frontend: { address, port: 80, protocol: 'tcp' },
    backends: backends.map((address) => ({ address, port: 80, weight: 1 })),
    ...(forwarding ? { policy: { forwarding } } : {}),
  };
}

const none = () => ({ vips: new Set<string>(), backends: new Set<string>(), fullNat: new Set<string>() });
const nothing = { gone: [], fresh: [] };

test('an address is needed as long as one VIP needs it', async (t) => {
  const held = { ...none(), vips: new Set(['11.0.0.1', '11.0.0.2']), backends: new Set(['10.0.0.1', '10.0.0.2']) };
  const addresses = new Addresses();
  const [one, two] = [vip('11.0.0.1', ['10.0.0.1', '10.0.0.2']), vip('11.0.0.2', ['10.0.0.2'])];
  await addresses.recount([one, two], held);
  t.deepEqual(addresses.changes(held), { vips: nothing, backends: nothing, fullNat: nothing });
  addresses.replace(one, undefined);
  t.deepEqual(addresses.changes(held), {
    vips: { gone: ['11.0.0.1'], fresh: [] },
    backends: { gone: ['10.0.0.1'], fresh: [] },
    fullNat: nothing,
  });
  addresses.replace(undefined, vip('11.0.0.3', ['10.0.0.1', '10.0.0.9'], 'full-nat'));
  t.deepEqual(addresses.changes(held), {
    vips: { gone: ['11.0.0.1'], fresh: ['11.0.0.3'] },
    backends: { gone: [], fresh: ['10.0.0.9'] },
    fullNat: { gone: [], fresh: ['11.0.0.3'] },
  });
  addresses.settle();
  t.deepEqual(addresses.changes(held), { vips: nothing, backends: nothing, fullNat: nothing });
});

test('what the firewall has and nobody needs, or lacks, is found by counting anew', async (t) => {
  const addresses = new Addresses();
  await addresses.recount([vip('11.0.0.1', ['10.0.0.1'])], none());
  addresses.settle();
  const held = { ...none(), vips: new Set(['11.0.0.1', '11.0.0.9']) };
  await addresses.recount([vip('11.0.0.1', ['10.0.0.1'])], held);
  t.deepEqual(addresses.changes(held), {
    vips: { gone: ['11.0.0.9'], fresh: [] },
    backends: { gone: [], fresh: ['10.0.0.1'] },
    fullNat: nothing,
  });
  t.deepEqual([...addresses.all().backends], ['10.0.0.1']);
});
