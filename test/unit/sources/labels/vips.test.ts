import test from 'ava';
import { preferredAddress } from '../../../../ts/allocate/preferred.js';
import { parseRange } from '../../../../ts/allocate/range.js';
import { familyOf } from '../../../../ts/model/address.js';
import { vipNameText } from '../../../../ts/model/name.js';
import { type DeclaredService, isNamed, vipKey } from '../../../../ts/model/service.js';
import { type Task, taskKey } from '../../../../ts/model/task.js';
import { Vips } from '../../../../ts/sources/labels/vips.js';
import { readTask } from '../../../../ts/sources/mesos/task.js';
import { agentAddress, example } from '../mesos/messages.js';

const base: Task = {
  ...readTask(example, { framework: 'marathon', agentAddress }).task,
  healthy: undefined,
  ports: [{ name: 'http', protocol: 'tcp', port: 8080, vips: ['/web:80'] }],
  addresses: ['10.0.0.1'],
};
const task = (id: string, more: Partial<Task> = {}): Task => ({ ...base, id, ...more });
const tasks = (...all: readonly Task[]) => new Map(all.map((one) => [taskKey(one), one]));
const vipsOf = (...all: readonly Task[]) => new Vips({ ipv6: true }).follow(tasks(...all));

/** `tcp/web.marathon:80 10.0.0.1:8080=1 …` of each, sorted. */
function shown(services: readonly DeclaredService[]): readonly string[] {
  return services
    .map((service) => {
      const backends = service.backends.map(({ address, port, weight }) => `${address}:${port}=${weight}`);
      return [vipKey(service.frontend), ...backends].join(' ');
    })
    .sort();
}

test('the worked example: five VIPs at the addresses DC/OS gave them', (t) => {
  const { services, homeless } = vipsOf(readTask(example, { framework: 'marathon', agentAddress }).task);
  t.deepEqual(homeless, []);
  t.deepEqual(shown(services), [
    'tcp/abc.marathon:80 172.17.0.3:9999=1',
    'tcp/cbd.marathon:80 172.17.0.3:9999=1',
    'tcp/def.marathon:80 172.17.0.3:9999=1',
    'tcp/jkl.marathon:80 172.17.0.3:10000=1',
    'tcp/xyz.marathon:443 172.17.0.3:10001=1',
  ]);
  const range = parseRange('11.0.0.0/8');
  const addresses = services.map(({ frontend }) => {
    const offset = isNamed(frontend) ? preferredAddress(vipNameText(frontend.name), range) : 0n;
    return [24n, 16n, 8n, 0n].map((shift) => (offset >> shift) & 255n).join('.');
  });
  t.deepEqual(addresses.sort(), ['11.147.56.9', '11.159.183.112', '11.172.189.46', '11.74.208.185', '11.92.126.235']);
});

test('where a task is reached: by its agent where that maps the port, else at all its own addresses', (t) => {
  const addresses = ['9.0.1.5', 'fd01:b::5'];
  const mapped = task('a', { addresses, ports: [{ ...base.ports[0]!, hostPort: 31000 }] });
  t.deepEqual(shown(vipsOf(mapped).services), ['tcp/web.marathon:80 172.17.0.3:31000=1']);
  const own = task('a', { addresses });
  t.deepEqual(shown(vipsOf(own).services), ['tcp/web.marathon:80 9.0.1.5:8080=1 fd01:b::5:8080=1']);
  const v4 = new Vips({ ipv6: false }).follow(tasks(own));
  t.deepEqual(shown(v4.services), ['tcp/web.marathon:80 9.0.1.5:8080=1']);
});

test('behind a mapped port the own node goes to the container, unless Docker runs it', (t) => {
  const inside = (more: Partial<Task>) => {
    const ports = [{ ...base.ports[0]!, hostPort: 31000 }];
    return vipsOf(task('a', { addresses: ['9.0.1.5'], ports, ...more })).services[0]!.backends[0]!.local;
  };
  t.deepEqual(inside({ runtime: 'mesos' }), { address: '9.0.1.5', port: 8080 });
  t.deepEqual(inside({ runtime: 'mesos', addresses: ['fd01:b::5', '9.0.1.6'] }), { address: '9.0.1.6', port: 8080 });
  t.is(inside({ runtime: 'docker' }), undefined);
  t.is(inside({ addresses: [] }), undefined);
  t.is(inside({ addresses: [agentAddress] }), undefined);
  const own = vipsOf(task('a', { addresses: ['9.0.1.5'] })).services[0]!.backends[0]!;
  t.is(own.local, undefined);
});

test('an address as VIP takes backends of its family alone', (t) => {
  const ports = [{ ...base.ports[0]!, vips: ['1.2.3.4:80', 'fd01:c::12:80'] }];
  const { services } = vipsOf(task('a', { addresses: ['9.0.1.5', 'fd01:b::5'], ports }));
  t.deepEqual(shown(services), ['tcp/1.2.3.4:80 9.0.1.5:8080=1', 'tcp/[fd01:c::12]:80 fd01:b::5:8080=1']);
  for (const { frontend, backends } of services) {
    const family = isNamed(frontend) ? undefined : familyOf(frontend.address);
    t.true(backends.every(({ address }) => familyOf(address) === family));
  }
});

test('weight: running and not known to be unhealthy', (t) => {
  const weights = [
    [{ phase: 'running', healthy: undefined }, 1],
    [{ phase: 'running', healthy: true }, 1],
    [{ phase: 'running', healthy: false }, 0],
    [{ phase: 'running', healthy: false, pending: true }, 0],
    [{ phase: 'killing', healthy: true }, 0],
    [{ phase: 'preparing', healthy: true }, undefined],
    [{ phase: 'terminal', healthy: true }, undefined],
  ] as const;
  for (const [state, weight] of weights) {
    t.is(vipsOf(task('a', state)).services[0]?.backends[0]?.weight, weight, JSON.stringify(state));
  }
  const [drained] = vipsOf(task('a', { phase: 'killing' })).services;
  t.is(drained?.backends[0]?.reason, 'task is being killed');
  const ready = new Vips({ ipv6: true, pendingReady: true });
  const pending = ready.follow(tasks(task('a', { healthy: false, pending: true }))).services;
  t.is(pending[0]?.backends[0]?.weight, 1);
  t.is(ready.follow(tasks(task('a', { healthy: false }))).services[0]?.backends[0]?.weight, 0);
});

test('one label on tasks of several applications is one VIP, and said so', (t) => {
  const all = ['a', 'b', 'c'].map((name, i) => task(name, { name, addresses: [`10.0.0.${i}`] }));
  const { services, shared } = vipsOf(...all);
  t.deepEqual(shown(services), ['tcp/web.marathon:80 10.0.0.0:8080=1 10.0.0.1:8080=1 10.0.0.2:8080=1']);
  t.deepEqual(shared, [{ vip: 'web.marathon:80', protocol: 'tcp', apps: ['marathon/a', 'marathon/b', 'marathon/c'] }]);
});

test('one name under two frameworks is two VIPs, with or without a slash it is one', (t) => {
  const other = task('b', { framework: 'marathon-eu', frameworkId: 'F-2', addresses: ['10.0.0.2'] });
  t.is(vipsOf(task('a'), other).services.length, 2);
  const ports = [{ ...base.ports[0]!, vips: ['web:80'] }];
  const { services } = vipsOf(task('a'), task('b', { addresses: ['10.0.0.2'], ports }));
  t.deepEqual(shown(services), ['tcp/web.marathon:80 10.0.0.1:8080=1 10.0.0.2:8080=1']);
});

test('udp and tcp of one number are two VIPs', (t) => {
  const udp = { ...base.ports[0]!, protocol: 'udp' as const };
  const { services } = vipsOf(task('a', { ports: [base.ports[0]!, udp] }));
  t.deepEqual(services.map(({ name }) => name).sort(), ['web.marathon_80', 'web.marathon_80_udp']);
});

test('a task without an address is said, and hides no other', (t) => {
  const { services, homeless } = vipsOf(task('a', { addresses: [] }), task('b'));
  t.deepEqual(shown(services), ['tcp/web.marathon:80 10.0.0.1:8080=1']);
  t.deepEqual(
    homeless.map(({ taskId, code }) => [taskId, code]),
    [['a', 'LABEL_NO_ADDRESS']],
  );
});

test('an address taken over by the next task takes connections', (t) => {
  const { services } = vipsOf(task('new'), task('old', { phase: 'killing' }));
  t.deepEqual(shown(services), ['tcp/web.marathon:80 10.0.0.1:8080=1']);
});

test('following from set to set comes to the same as starting with the last', (t) => {
  const vips = new Vips({ ipv6: true });
  const ports = [{ ...base.ports[0]!, vips: ['/db:5432'] }];
  const history = [
    tasks(task('a'), task('b', { addresses: ['10.0.0.2'] })),
    tasks(task('a', { healthy: false }), task('b', { addresses: ['10.0.0.2'], ports })),
    tasks(task('b', { addresses: ['10.0.0.2'], ports })),
    tasks(),
    tasks(task('c')),
  ];
  for (const set of history) {
    t.deepEqual(shown(vips.follow(set).services), shown(new Vips({ ipv6: true }).follow(set).services));
  }
});

test('VIPs are told by name, whoever changes or comes', (t) => {
  const vips = new Vips({ ipv6: true });
  const named = (name: string, more: Partial<Task> = {}) =>
    task(name, { ports: [{ ...base.ports[0]!, vips: [`/${name}:80`] }], ...more });
  const names = (...all: readonly Task[]) => vips.follow(tasks(...all)).services.map(({ name }) => name.split('.')[0]);
  t.deepEqual(names(named('c'), named('a')), ['a', 'c']);
  t.deepEqual(names(named('c'), named('a', { healthy: false })), ['a', 'c']);
  t.deepEqual(names(named('c'), named('a'), named('b')), ['a', 'b', 'c']);
  t.deepEqual(names(named('c'), named('b')), ['b', 'c']);
});

test('a VIP that stays the same stays the same object', (t) => {
  const vips = new Vips({ ipv6: true });
  const a = task('a');
  const b = task('b', { ports: [{ ...base.ports[0]!, vips: ['/db:5432'] }] });
  const before = vips.follow(tasks(a, b)).services;
  const after = vips.follow(tasks(a, { ...b, healthy: false })).services;
  t.is(
    before.find(({ name }) => name === 'web.marathon_80'),
    after.find(({ name }) => name === 'web.marathon_80'),
  );
});
