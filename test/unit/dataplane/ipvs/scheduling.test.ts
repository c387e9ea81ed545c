import test from 'ava';
import { destinationsOf, OWN, policyOf, sameSettings, serviceOf } from '../../../../ts/dataplane/ipvs/scheduling.js';
import type { ForwardedVip } from '../../../../ts/model/forwarding.js';
import type { Policy } from '../../../../ts/model/policy.js';

const vip = (policy?: Policy): ForwardedVip => ({
  frontend: { address: '11.0.0.80', port: 80, protocol: 'tcp' },
  backends: [
    { address: '10.0.0.1', port: 8080, weight: 0 },
    { address: '10.0.0.2', port: 8080, weight: 256 },
  ],
  ...(policy === undefined ? {} : { policy }),
});

test('each schedule has its scheduler; Maglev hashes ports and falls back', (t) => {
  t.deepEqual(serviceOf(vip()), { scheduler: 'mh', flags: 0x08 | 0x10 | OWN, timeout: 0 });
  const names = (['maglev', 'round-robin', 'least-connections', 'random'] as const).map(
    (schedule) => serviceOf(vip({ schedule })).scheduler,
  );
  t.deepEqual(names, ['mh', 'wrr', 'wlc', 'twos']);
});

test('affinity is persistence, in whole seconds and never none', (t) => {
  t.deepEqual(serviceOf(vip({ affinityMs: 1_500, schedule: 'round-robin' })), {
    scheduler: 'wrr',
    flags: 1 | OWN,
    timeout: 2,
  });
  t.is(serviceOf(vip({ affinityMs: 1 })).timeout, 1);
});

test('the mode of forwarding is the method of every destination; weights go as they are', (t) => {
  const methods = (['nat', 'full-nat', 'tunnel', 'direct'] as const).map((forwarding) =>
    destinationsOf(vip({ forwarding })).map(({ method }) => method),
  );
  t.deepEqual(methods, [
    [0, 0],
    [0, 0],
    [2, 2],
    [3, 3],
  ]);
  t.deepEqual(
    destinationsOf(vip()).map(({ weight }) => weight),
    [0, 256],
  );
});

test('what IPVS cannot do is refused by name, the VIP with it', (t) => {
  const policies: readonly Policy[] = [
    { clampMss: 1_400 },
    { allow: [] },
    { deny: [] },
    { connectionRate: 5 },
    { locality: { prefer: 'node', spillover: 50 } },
    { schedule: 'latency' },
  ];
  for (const policy of policies) {
    const [field = ''] = Object.keys(policy);
    const error = t.throws(() => serviceOf(vip(policy)), { code: 'POLICY_UNSUPPORTED' });
    t.regex(error?.message ?? '', new RegExp(`tcp/11\\.0\\.0\\.80:80.*ipvs.*${field}`), field);
  }
  t.notThrows(() => serviceOf(vip({ exact: true })));
});

test('a policy is read back as far as the kernel says it', (t) => {
  const policies: readonly (Policy | undefined)[] = [
    undefined,
    { schedule: 'round-robin' },
    { affinityMs: 60_000 },
    { schedule: 'least-connections', affinityMs: 1_000, forwarding: 'direct' },
    { forwarding: 'tunnel' },
  ];
  for (const policy of policies) {
    t.deepEqual(policyOf(serviceOf(vip(policy)), destinationsOf(vip(policy))[0]?.method), policy);
  }
});

test('the timeout counts only under persistence', (t) => {
  const plain = { scheduler: 'mh', flags: OWN, timeout: 0 };
  t.true(sameSettings({ ...plain, timeout: 9 }, plain));
  const kept = { scheduler: 'mh', flags: OWN | 1, timeout: 5 };
  t.false(sameSettings({ ...kept, timeout: 9 }, kept));
  t.false(sameSettings(plain, kept));
});
