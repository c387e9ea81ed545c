import test from 'ava';
import { parseServices, serviceToJson, validateService } from '../../../ts/model/validation.js';

test('a service says how its connections are given out', (t) => {
  const text = `services:
  - name: web
    vip: 11.0.0.80:80
    backends: [{ address: 10.0.0.1:80, zone: a }]
    schedule: round-robin
    affinity: 30m
    locality: { prefer: zone }
    allow: [10.0.0.0/8, "fd00::/8", 10.0.0.0/8]
    deny: [10.1.0.0/16]
    connectionRate: 100
    outlier: { consecutive: 3, ejection: 20m }
`;
  const { services, faults } = parseServices(text, 'a.yaml');
  t.deepEqual(faults, []);
  t.deepEqual(services[0]?.policy, {
    schedule: 'round-robin',
    affinityMs: 1_800_000,
    locality: { prefer: 'zone', spillover: 50 },
    allow: [
      { address: '10.0.0.0', bits: 8 },
      { address: 'fd00::', bits: 8 },
    ],
    deny: [{ address: '10.1.0.0', bits: 16 }],
    connectionRate: 100,
    outlier: {
      ...{ consecutive: 3, failurePercent: 50, minimumConnects: 20, windowMs: 30_000 },
      ...{ ejectionMs: 1_200_000, maxEjectionMs: 1_200_000, maxEjectedPercent: 50 },
    },
  });
  t.is(services[0]?.backends[0]?.zone, 'a');
  t.deepEqual(validateService(serviceToJson(services[0]!), 'again'), services[0]);
});

test('what is wrong with a policy is told with its place', (t) => {
  const text = `services:
  - { name: a, vip: "11.0.0.1:80", backends: [], schedule: fastest }
  - { name: b, vip: "11.0.0.2:80", backends: [], affinity: soon }
  - { name: c, vip: "11.0.0.3:80", backends: [], locality: { prefer: zone, spilover: 9 } }
  - { name: d, vip: "11.0.0.4:80", backends: [], allow: [10.0.0.1/8] }
  - { name: e, vip: "11.0.0.5:80", backends: [], connectionRate: 0 }
  - { name: f, vip: "11.0.0.6:80", backends: [], outlier: { window: never } }
  - { name: g, vip: "11.0.0.7:80", backends: [], outlier: { maxEjectedPercent: 101 } }
  - { name: i, vip: "11.0.0.9:80", backends: [], outlier: { consecutve: 3 } }
  - { name: h, vip: "11.0.0.8:80", backends: [], protocol: udp, outlier: {} }
`;
  const { services, faults } = parseServices(text, 'a.yaml');
  t.deepEqual(services, []);
  t.deepEqual(
    faults.map(({ object, code }) => [object.split(':')[1], code]),
    [
      ['2', 'SCHEDULE_INVALID'],
      ['3', 'DURATION_INVALID'],
      ['4', 'KEY_UNKNOWN'],
      ['5', 'ADDRESS_INVALID'],
      ['6', 'RATE_INVALID'],
      ['7', 'DURATION_INVALID'],
      ['8', 'OUTLIER_INVALID'],
      ['9', 'KEY_UNKNOWN'],
      ['10', 'POLICY_INVALID'],
    ],
  );
  t.is(faults[2]?.hint, 'did you mean "spillover"?');
});
