import test from 'ava';
import { parseServices, serviceToJson, validateService } from '../../../ts/model/validation.js';

const web = { name: 'web', vip: '11.0.0.80:80', backends: ['10.0.0.1:80', '10.0.0.2:80'] };

test('how packets get to backends is read and written', (t) => {
  const definition = validateService({ ...web, forwarding: 'tunnel', clampMss: 1400, exact: true }, 'web');
  t.deepEqual(definition.policy, { forwarding: 'tunnel', clampMss: 1400, exact: true });
  t.like(serviceToJson(definition), { forwarding: 'tunnel', clampMss: 1400, exact: true });
  t.deepEqual(validateService(serviceToJson(definition), 'web'), definition);
});

test('what is as by default leaves no trace', (t) => {
  t.is(validateService({ ...web, forwarding: 'nat', exact: false }, 'web').policy, undefined);
});

for (const [title, change, code, cause] of [
  ['a mode nobody has', { forwarding: 'gre' }, 'VALUE_INVALID', /forwarding/],
  ['an MSS below what every host takes', { clampMss: 535 }, 'VALUE_INVALID', /clampMss/],
  ['an MSS for UDP', { protocol: 'udp', clampMss: 1400 }, 'POLICY_INVALID', /UDP has no MSS/],
  [
    'two ports of one address in a tunnel',
    { forwarding: 'tunnel', backends: ['10.0.0.1:80', '10.0.0.1:81'] },
    'BACKEND_PORTS',
    /tunnel cannot tell ports apart/,
  ],
] as const) {
  test(`${title} is refused`, (t) => {
    const { services, faults } = parseServices(JSON.stringify({ services: [{ ...web, ...change }] }), 'a.yaml');
    t.deepEqual(services, []);
    t.regex(`${faults[0]?.object} ${faults[0]?.cause}`, cause);
    t.is(faults[0]?.code, code);
  });
}

test('with NAT one address may have many ports', (t) => {
  const backends = ['10.0.0.1:80', '10.0.0.1:81'];
  t.is(validateService({ ...web, backends }, 'web').backends.length, 2);
});
