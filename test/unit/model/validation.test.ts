import test from 'ava';
import fc from 'fast-check';
import { MAX_BACKENDS_PER_VIP } from '../../../ts/model/service.js';
import { parseServices, serviceToJson, validateService } from '../../../ts/model/validation.js';
import { service } from './arbitrary.js';

const WHOLE = `services:
  - name: web
    vip: 11.0.0.80:80
    backends:
      - 10.20.1.2:8080
      - { address: 10.20.1.3:8080, weight: 2 }
    health: { type: http, path: /health, interval: 1s, timeout: 500ms, rise: 1, fall: 2 }
  - name: dns
    vip: "[fd01:c::0053]:53"
    protocol: udp
    backends: ["[fd00::1]:53"]
    health: { type: command, command: [dig, example] }
`;

test('a file says what it says, and the rest has defaults', (t) => {
  const { services, faults } = parseServices(WHOLE, 'a.yaml');
  t.deepEqual(faults, []);
  t.deepEqual(services, [
    {
      name: 'web',
      frontend: { address: '11.0.0.80', port: 80, protocol: 'tcp' },
      backends: [
        { address: '10.20.1.2', port: 8080, weight: 1 },
        { address: '10.20.1.3', port: 8080, weight: 2 },
      ],
      health: { kind: 'http', intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 2, path: '/health' },
    },
    {
      name: 'dns',
      frontend: { address: 'fd01:c::53', port: 53, protocol: 'udp' },
      backends: [{ address: 'fd00::1', port: 53, weight: 1 }],
      health: { kind: 'command', intervalMs: 2000, timeoutMs: 1000, rise: 1, fall: 2, command: ['dig', 'example'] },
    },
  ]);
});

test('JSON is read like YAML', (t) => {
  const yaml = parseServices(WHOLE, 'a').services;
  t.deepEqual(parseServices(JSON.stringify({ services: yaml.map(serviceToJson) }, null, 2), 'a').services, yaml);
});

for (const [title, text] of Object.entries({
  nothing: '',
  'a comment': '# later\n',
  'an empty key': 'services:\n',
  '{}': '{}',
})) {
  test(`${title} is an empty set`, (t) => {
    t.deepEqual(parseServices(text, 'a'), { services: [], rejected: [], faults: [] });
  });
}

/** The lines of one service after `name` and before the next service; what is wrong, and where. */
const WRONG_SERVICES: readonly [title: string, lines: string, code: string, place: string, hint?: RegExp][] = [
  ['an unknown key', 'vip: 11.0.0.1:1\n    backend: []\n    backends: []', 'KEY_UNKNOWN', '4:5', /"backends"/],
  [
    'an unknown key of a backend',
    'vip: 11.0.0.1:1\n    backends: [{ address: 10.0.0.1:1, wieght: 2 }]',
    'KEY_UNKNOWN',
    '4:39',
    /"weight"/,
  ],
  ['no VIP', 'backends: []', 'KEY_MISSING', '2:5', /11\.0\.0\.80:80/],
  ['port 0', 'vip: 11.0.0.1:0\n    backends: []', 'PORT_INVALID', '3:10'],
  ['port 65536', 'vip: 11.0.0.1:65536\n    backends: []', 'PORT_INVALID', '3:10'],
  ['no port', 'vip: 11.0.0.1\n    backends: []', 'ADDRESS_INVALID', '3:10', /10\.0\.0\.1:80/],
  ['a host name', 'vip: localhost:80\n    backends: []', 'ADDRESS_INVALID', '3:10'],
  ['a multicast VIP', 'vip: 224.0.0.1:80\n    backends: []', 'ADDRESS_UNUSABLE', '3:10'],
  ['an unspecified VIP', 'vip: "[::]:80"\n    backends: []', 'ADDRESS_UNUSABLE', '3:10'],
  ['a loopback VIP', 'vip: 127.0.0.1:80\n    backends: []', 'ADDRESS_UNUSABLE', '3:10'],
  ['a VIP with a zone', 'vip: "[fe80::1%eth0]:80"\n    backends: []', 'ADDRESS_UNUSABLE', '3:10'],
  ['a VIP without quotes', 'vip: [11.0.0.1]\n    backends: []', 'ADDRESS_INVALID', '3:10', /quoted/],
  [
    'duplicate backends',
    'vip: 11.0.0.1:1\n    backends: [10.0.0.1:1, 10.0.0.1:1]',
    'BACKEND_DUPLICATE',
    '4:28',
    /weight/,
  ],
  ['mixed families', 'vip: 11.0.0.1:1\n    backends: ["[fd00::1]:1"]', 'FAMILY_MIXED', '4:16', /each family/],
  ['its VIP as a backend', 'vip: 11.0.0.1:1\n    backends: [11.0.0.1:1]', 'BACKEND_LOOP', '4:16'],
  ['a multicast backend', 'vip: 11.0.0.1:1\n    backends: [239.0.0.1:1]', 'ADDRESS_UNUSABLE', '4:16'],
  ['a number as a backend', 'vip: 11.0.0.1:1\n    backends: [80]', 'BACKENDS_INVALID', '4:16'],
  ['no list of backends', 'vip: 11.0.0.1:1\n    backends:', 'BACKENDS_INVALID', '4:14', /\[\]/],
  ['weight 257', 'vip: 11.0.0.1:1\n    backends: [{ address: 10.0.0.1:1, weight: 257 }]', 'WEIGHT_INVALID', '4:47'],
  ['weight -1', 'vip: 11.0.0.1:1\n    backends: [{ address: 10.0.0.1:1, weight: -1 }]', 'WEIGHT_INVALID', '4:47'],
  ['weight 1.5', 'vip: 11.0.0.1:1\n    backends: [{ address: 10.0.0.1:1, weight: 1.5 }]', 'WEIGHT_INVALID', '4:47'],
  ['another protocol', 'vip: 11.0.0.1:1\n    protocol: sctp\n    backends: []', 'PROTOCOL_INVALID', '4:15'],
  ['another kind of check', 'vip: 11.0.0.1:1\n    backends: []\n    health: { type: icmp }', 'HEALTH_INVALID', '5:21'],
  [
    'a wrong duration',
    'vip: 11.0.0.1:1\n    backends: []\n    health: { type: tcp, interval: 2 sec }',
    'DURATION_INVALID',
    '5:36',
  ],
  [
    'a number as a duration',
    'vip: 11.0.0.1:1\n    backends: []\n    health: { type: tcp, timeout: 2 }',
    'DURATION_INVALID',
    '5:35',
  ],
  [
    'a path for tcp',
    'vip: 11.0.0.1:1\n    backends: []\n    health: { type: tcp, path: /x }',
    'HEALTH_INVALID',
    '5:32',
  ],
  [
    'a path with spaces',
    'vip: 11.0.0.1:1\n    backends: []\n    health: { type: http, path: /x y }',
    'HEALTH_INVALID',
    '5:33',
  ],
  ['no command', 'vip: 11.0.0.1:1\n    backends: []\n    health: { type: command }', 'HEALTH_INVALID', '5:13'],
];

for (const [title, lines, code, place, hint] of WRONG_SERVICES) {
  test(`${title}: ${code}, and the neighbours are served`, (t) => {
    const before = '  - { name: before, vip: 11.0.9.1:1, backends: [] }';
    const text = `services:\n  - name: web\n    ${lines}\n${before}\n${before.replace('before', 'after').replace('9.1', '9.2')}\n`;
    const { services, faults, rejected, keepLast } = parseServices(text, 'a.yaml');
    t.deepEqual([keepLast, services.map(({ name }) => name), rejected], [undefined, ['before', 'after'], ['web']]);
    t.deepEqual(
      faults.map((fault) => [fault.code, fault.object]),
      [[code, `a.yaml:${place}`]],
    );
    t.regex(faults[0]!.cause, /^service web/);
    t.regex(faults[0]!.hint ?? '', hint ?? /^/);
  });
}

test('every fault of a service is told at once', (t) => {
  const text = `services:
  - name: web
    vip: 11.0.0.1:0
    backends: [10.0.0.1:0, { address: 10.0.0.2:1, weight: 999 }, 10.0.0.3:1, 10.0.0.3:1]
    health: { type: tcp, interval: soon, timeout: never }
`;
  const codes = parseServices(text, 'a').faults.map(({ code }) => code);
  t.deepEqual(codes.sort(), [
    ...['BACKEND_DUPLICATE', 'DURATION_INVALID', 'DURATION_INVALID', 'PORT_INVALID', 'PORT_INVALID', 'WEIGHT_INVALID'],
  ]);
});

/** Two services in one file; the second loses. */
const CONFLICTS: readonly [title: string, first: string, second: string, code: string, place: string][] = [
  [
    'a name',
    '{ name: x, vip: 11.0.0.1:1, backends: [] }',
    '{ name: x, vip: 11.0.0.2:1, backends: [] }',
    'NAME_DUPLICATE',
    '3:13',
  ],
  [
    'a VIP',
    '{ name: x, vip: 11.0.0.1:1, backends: [] }',
    '{ name: y, vip: 11.0.0.1:1, backends: [] }',
    'VIP_OVERLAP',
    '3:21',
  ],
  [
    'a VIP written otherwise',
    '{ name: x, vip: "[fd01::1]:1", backends: [] }',
    '{ name: y, vip: "[fd01:0::01]:1", backends: [] }',
    'VIP_OVERLAP',
    '3:21',
  ],
  [
    'a VIP as a backend',
    '{ name: x, vip: 11.0.0.1:1, backends: [] }',
    '{ name: y, vip: 11.0.0.2:1, backends: [11.0.0.1:1] }',
    'BACKEND_LOOP',
    '3:43',
  ],
  [
    'a backend as a VIP',
    '{ name: x, vip: 11.0.0.1:1, backends: [11.0.0.2:1] }',
    '{ name: y, vip: 11.0.0.2:1, backends: [] }',
    'BACKEND_LOOP',
    '3:21',
  ],
];

for (const [title, first, second, code, place] of CONFLICTS) {
  test(`${title} that is taken: ${code}`, (t) => {
    const { services, faults } = parseServices(`services:\n  - ${first}\n  - ${second}\n`, 'a.yaml');
    t.deepEqual(
      services.map(({ name }) => name),
      ['x'],
    );
    t.deepEqual([faults[0]?.code, faults[0]?.object, faults.length], [code, `a.yaml:${place}`, 1]);
    t.regex(faults[0]!.cause, /a\.yaml:2:5/);
  });
}

test('one address and port may serve tcp and udp', (t) => {
  const text =
    'services: [{ name: x, vip: 11.0.0.1:53, backends: [] }, { name: y, vip: 11.0.0.1:53, protocol: udp, backends: [] }]';
  t.is(parseServices(text, 'a').services.length, 2);
});

/** The file as a whole tells nothing, so what it told before stays. */
const UNREADABLE: readonly [title: string, text: string, code: string, object: string][] = [
  ['broken YAML', 'services: [\n', 'FILE_SYNTAX', 'a.yaml:2:1'],
  ['a key twice', 'services: []\nservices: []\n', 'FILE_SYNTAX', 'a.yaml:2:1'],
  ['two documents', '--- {}\n--- {}\n', 'FILE_SYNTAX', 'a.yaml:2:1'],
  ['an alias without an anchor', 'services: *x\n', 'FILE_SYNTAX', 'a.yaml:1:11'],
  ['a list', '- name: web\n', 'FILE_SHAPE', 'a.yaml:1:1'],
  ['a text', 'hello', 'FILE_SHAPE', 'a.yaml:1:1'],
  ['services of another kind', 'services: 3\n', 'FILE_SHAPE', 'a.yaml:1:11'],
  ['only a misspelt key', 'service: []\n', 'KEY_UNKNOWN', 'a.yaml:1:1'],
  ['very deep nesting', '['.repeat(100_000), 'FILE_SYNTAX', 'a.yaml:1:'],
];

for (const [title, text, code, object] of UNREADABLE) {
  test(`${title}: ${code}, and nothing is known`, (t) => {
    const { faults, keepLast, services } = parseServices(text, 'a.yaml');
    t.deepEqual([keepLast, services, faults[0]?.code], [true, [], code]);
    t.true(faults[0]?.object.startsWith(object), faults[0]?.object);
    t.true(faults.length <= 5);
  });
}

test('an IPv6 address without quotes gets the hint to quote it', (t) => {
  const { faults } = parseServices('services:\n  - { name: x, vip: [fd01::1]:80, backends: [] }\n', 'a');
  t.regex(faults[0]?.hint ?? '', /"\[fd01::1\]:80"/);
});

test('anchors may be shared, and a bomb of them costs nothing', (t) => {
  const shared = `services:
  - { name: x, vip: 11.0.0.1:1, backends: [], health: &h { type: tcp } }
  - { name: y, vip: 11.0.0.2:1, backends: [], health: *h }
`;
  t.is(parseServices(shared, 'a').services[1]?.health?.kind, 'tcp');
  const levels = Array.from({ length: 40 }, (_, i) => `x${i + 1}: &x${i + 1} [${Array(9).fill(`*x${i}`).join()}]`);
  const bomb = `x0: &x0 [a]\n${levels.join('\n')}\nservices:\n  - *x40\n  - { name: x, vip: 11.0.0.1:1, backends: *x40 }\n`;
  t.deepEqual(parseServices(bomb, 'a').services, []);
  const many = `x: &x {}\nservices: [${Array(20_000).fill('*x').join()}]\n`;
  t.is(parseServices(many, 'a').faults[0]?.code, 'FILE_SYNTAX');
});

test('more backends than a VIP may have are refused without reading them', (t) => {
  const json = (count: number): unknown => ({
    name: 'web',
    vip: '11.0.0.1:80',
    backends: Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:80`),
  });
  t.is(validateService(json(MAX_BACKENDS_PER_VIP), 'web').backends.length, MAX_BACKENDS_PER_VIP);
  const error = t.throws(() => validateService(json(100_000), 'service web'), { code: 'BACKEND_LIMIT' });
  t.regex(error?.message ?? '', /100000 backends, at most 4096/);
});

test('keys of the language itself are unknown keys', (t) => {
  const { faults } = parseServices('services:\n  - { name: x, vip: 11.0.0.1:1, backends: [], __proto__: {} }\n', 'a');
  t.is(faults[0]?.code, 'KEY_UNKNOWN');
  t.throws(() => validateService(JSON.parse('{"name":"x","vip":"11.0.0.1:1","backends":[],"constructor":1}'), 'x'), {
    code: 'KEY_UNKNOWN',
  });
});

test('more mistakes than are told at once are still only mistakes', (t) => {
  const unknown = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key${i}`, i]));
  for (const health of [{ type: 'icmp', path: '/' }, 7, null]) {
    for (const backends of [Array(20).fill(null), Array(20).fill({ weight: -1 }), []]) {
      const json = { ...unknown, name: 'web', vip: '11.0.0.1:1', backends, health };
      const error = t.throws(() => validateService(json, 'x'), { name: 'VipdError' }, JSON.stringify(json));
      t.not((error as { code?: string } | undefined)?.code, 'INTERNAL');
    }
  }
});

test('one service is refused by an error that counts its faults', (t) => {
  const error = t.throws(() => validateService({ name: 'a b', vip: 'x', backends: [7] }, 'the body'), {
    code: 'NAME_INVALID',
  });
  t.regex(error?.message ?? '', /^the body: name: .* \(and 2 more problems\)/);
});

test('anything at all is refused by a VipdError or accepted, never by another error', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.anything(), fc.object(), (value, more) => {
        for (const json of [value, { name: 'x', vip: '11.0.0.1:1', backends: value }, { ...more, backends: [value] }]) {
          try {
            validateService(json, 'x');
          } catch (error) {
            if ((error as { name?: string }).name !== 'VipdError') throw error;
          }
        }
      }),
    ),
  );
});

test('any text is a report', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => parseServices(text, 'a').faults.length >= 0),
    ),
  );
});

test('every service survives being written and read', (t) => {
  fc.assert(
    fc.property(service, (definition) => {
      const json: unknown = JSON.parse(JSON.stringify(serviceToJson(definition)));
      t.deepEqual(validateService(json, 'x'), definition);
      t.deepEqual(parseServices(JSON.stringify({ services: [json] }), 'a').services, [definition]);
    }),
  );
});

test('a VIP may be a name, as a text or in parts, normalised', (t) => {
  const frontend = { name: { label: 'my-web', framework: 'marathon' }, port: 80, protocol: 'udp' };
  const rest = { name: 'x', protocol: 'udp', backends: ['10.0.0.1:80', '[fd00::1]:80'] };
  const forms = ['/My_Web.marathon:80', { name: 'my-web', framework: 'Marathon', port: 80 }];
  for (const vip of forms) t.deepEqual<unknown, unknown>(validateService({ ...rest, vip }, 'x').frontend, frontend);
  const definition = validateService({ ...rest, vip: forms[1] }, 'x');
  t.is(serviceToJson(definition).vip, 'my-web.marathon:80');
  t.deepEqual(validateService(serviceToJson(definition), 'x'), definition);
});

const badNames: readonly (readonly [vip: unknown, code: string, message: RegExp])[] = [
  ['/.marathon:80', 'NAME_INVALID', /the name "\/" has no letter or digit/],
  ['web.marathon:0', 'PORT_INVALID', /port 0/],
  ['web.marathon:70000', 'PORT_INVALID', /port 70000/],
  ['web:80', 'ADDRESS_INVALID', /not an IPv4 or IPv6 address/],
  [{ name: 'web', port: 80 }, 'KEY_MISSING', /"framework" is missing/],
  [{ name: 'web', framework: '-', port: 80 }, 'NAME_INVALID', /the framework "-"/],
  [{ name: 'web', framework: 'm', port: '80' }, 'PORT_INVALID', /must be a whole number/],
  [{ name: 'web', framework: 'm', port: 80, proto: 1 }, 'KEY_UNKNOWN', /vip\.proto: unknown key/],
  [{ name: ['web'], framework: 'm', port: 80 }, 'NAME_INVALID', /must be text, not a list/],
  [
    Array.from({ length: 5 }, () => 'x'.repeat(60))
      .join('.')
      .concat('.m:80'),
    'NAME_INVALID',
    /longer than 253/,
  ],
];

for (const [vip, code, cause] of badNames) {
  test(`a VIP of ${JSON.stringify(vip).slice(0, 60)} is refused: ${code}`, (t) => {
    const error = t.throws(() => validateService({ name: 'x', vip, backends: [] }, 'x'));
    const { fault } = error as unknown as { fault: { code: string; cause: string } };
    t.is(fault.code, code);
    t.regex(fault.cause, cause);
  });
}

test('two services of one name, however written, are a duplicate and told by name', (t) => {
  const text =
    'services:\n- {name: a, vip: "/foo.marathon:80", backends: []}\n- {name: b, vip: foo.marathon:80, backends: []}\n';
  const { services, faults } = parseServices(text, 'f.yaml');
  t.deepEqual(
    services.map(({ name }) => name),
    ['a'],
  );
  t.regex(faults[0]!.cause, /service b, vip: the VIP tcp\/foo\.marathon:80 is taken by service a, f\.yaml:2/);
});
