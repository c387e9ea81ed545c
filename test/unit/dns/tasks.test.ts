import test from 'ava';
import fc from 'fast-check';
import { canonical, mesosTaskEntries } from '../../../ts/dns/mesos-records.js';
import { dataText } from '../../../ts/dns/record.js';
import type { Agent, Framework, Task, TaskTable } from '../../../ts/model/task.js';
import { NO_TASKS, taskKey } from '../../../ts/model/task.js';
import { Ours, texts } from './asking-ours.js';

const task = (over: Partial<Task> = {}): Task => ({
  id: 'web.instance-1',
  frameworkId: 'F-1',
  framework: 'marathon',
  name: 'app.group',
  discovery: true,
  agentId: 'abc-S12',
  agentAddress: '10.0.0.1',
  addresses: ['172.18.0.2'],
  runtime: 'mesos',
  phase: 'running',
  state: 'TASK_RUNNING',
  healthy: undefined,
  ports: [{ name: 'http', protocol: 'tcp', port: 80, hostPort: 31000, vips: [] }],
  resourcePorts: [31000, 31001],
  ...over,
});
const agents: readonly Agent[] = [{ id: 'abc-S12', address: '10.0.0.1', port: 5051 }];
const frameworks: readonly Framework[] = [{ id: 'F-1', name: 'marathon', address: '10.0.9.1', port: 15101 }];

function table(tasks: readonly Task[], over: Partial<TaskTable> = {}): TaskTable {
  return {
    tasks: new Map(tasks.map((one) => [taskKey(one), one])),
    agents: new Map(agents.map((one) => [one.id, one])),
    frameworks: new Map(frameworks.map((one) => [one.id, one])),
    leader: { address: '10.0.9.2', port: 5050 },
    masters: [{ address: '10.0.9.1', port: 5050 }],
    ...over,
  };
}

function serving(tasks: readonly Task[], parity = false, over: Partial<TaskTable> = {}): Ours {
  const ours = new Ours({ tasks: { mesosTtl: 60, parity } });
  ours.zones.setNames(new Map());
  ours.zones.setTasks(table(tasks, over));
  return ours;
}

const datas = async (ours: Ours, name: string, type = 'A') =>
  texts((await ours.ask(name, { type })).answers).map((text) => text.split(' ').slice(2).join(' '));

test('a task has the address of its agent, its container, or whichever its ports are at', async (t) => {
  const plain = { ports: [{ name: 'http', protocol: 'tcp' as const, port: 80, vips: [] }] };
  const kinds: [title: string, over: Partial<Task>, agent: string, container: string, auto: string][] = [
    ['host network', { addresses: ['10.0.0.1'], ...plain }, '10.0.0.1', '10.0.0.1', '10.0.0.1'],
    ['bridge', {}, '10.0.0.1', '172.18.0.2', '10.0.0.1'],
    ['overlay', { addresses: ['9.0.1.2'], ...plain }, '10.0.0.1', '9.0.1.2', '9.0.1.2'],
    ['overlay with a host port', { addresses: ['9.0.1.2'] }, '10.0.0.1', '9.0.1.2', '10.0.0.1'],
  ];
  for (const [title, over, agent, container, auto] of kinds) {
    const ours = serving([task(over)]);
    const below = (kind: string) => `app-group.marathon.${kind}.dcos.thisdcos.directory`;
    t.deepEqual(await datas(ours, below('agentip')), [agent], title);
    t.deepEqual(await datas(ours, below('containerip')), [container], title);
    t.deepEqual(await datas(ours, below('autoip')), [auto], title);
  }
});

test('every record form of Mesos-DNS', async (t) => {
  const ours = serving([task()], true);
  const canonical = 'app-group-8ubyx-s12.marathon';
  const found = [...ours.zones.tasks!.tasks()][0]!.entries.length;
  t.true(found > 10);
  const own = (await datas(ours, '_app-group._tcp.marathon.slave.mesos', 'SRV'))[0]!.split(' ')[1]!;
  t.regex(own, /^app-group-[a-z0-9]{5}-s12\.marathon\.slave\.mesos$/, canonical);
  const name = own.replace('.slave.mesos', '.mesos');
  const forms: [name: string, type: string, data: string[]][] = [
    ['leader.mesos', 'A', ['10.0.9.2']],
    ['_leader._tcp.mesos', 'SRV', ['5050 leader.mesos']],
    ['_leader._udp.mesos', 'SRV', ['5050 leader.mesos']],
    ['master.mesos', 'A', ['10.0.9.1', '10.0.9.2']],
    ['master0.mesos', 'A', ['10.0.9.1']],
    ['master1.mesos', 'A', ['10.0.9.2']],
    ['slave.mesos', 'A', ['10.0.0.1']],
    ['_slave._tcp.mesos', 'SRV', ['5051 slave.mesos']],
    ['marathon.mesos', 'A', ['10.0.9.1']],
    ['_framework._tcp.marathon.mesos', 'SRV', ['15101 marathon.mesos']],
    ['app-group.marathon.mesos', 'A', ['172.18.0.2']],
    ['app.group.marathon.mesos', 'A', ['172.18.0.2']],
    ['app-group.marathon.slave.mesos', 'A', ['10.0.0.1']],
    [name, 'A', ['172.18.0.2']],
    [own, 'A', ['10.0.0.1']],
    ['_app-group._tcp.marathon.slave.mesos', 'SRV', [`31000 ${own}`, `31001 ${own}`]],
    ['_app-group._udp.marathon.slave.mesos', 'SRV', [`31000 ${own}`, `31001 ${own}`]],
    ['_app-group._tcp.marathon.mesos', 'SRV', [`80 ${name}`]],
    ['_http._app-group._tcp.marathon.mesos', 'SRV', [`80 ${name}`]],
    ['_app.group._tcp.marathon.mesos', 'SRV', [`80 ${name}`]],
    ['app-group.marathon.mesos.thisdcos.directory', 'A', ['172.18.0.2']],
    ['zk-1.zk', 'A', ['10.0.9.1']],
    ['zk-2.zk', 'A', ['10.0.9.2']],
    ['zk-5.zk', 'A', ['10.0.9.1']],
    ['leader.dcos.thisdcos.directory', 'A', ['10.0.9.2']],
    ['master.dcos.thisdcos.directory', 'A', ['10.0.9.1', '10.0.9.2']],
    ['ns1.mesos', 'A', ['198.51.100.1']],
    ['ns1.mesos', 'AAAA', ['fd01:d::c633:6401']],
    ['registry.component.thisdcos.directory', 'A', ['master.mesos.thisdcos.directory', '10.0.9.1', '10.0.9.2']],
    ['2.0.18.172.in-addr.arpa', 'PTR', ['app-group.marathon.containerip.dcos.thisdcos.directory']],
  ];
  for (const [one, type, data] of forms) t.deepEqual(await datas(ours, one, type), data, `${one} ${type}`);
  t.is(((await ours.ask('leader.mesos')).answers![0] as { ttl: number }).ttl, 60);
});

test('agents, masters and containers have reverse names', async (t) => {
  const ours = serving([task()]);
  t.deepEqual(await datas(ours, '1.0.0.10.in-addr.arpa', 'PTR'), ['slave.mesos']);
  t.deepEqual(await datas(ours, '2.9.0.10.in-addr.arpa', 'PTR'), ['master.dcos.thisdcos.directory']);
  t.deepEqual(await datas(ours, '2.0.18.172.in-addr.arpa', 'PTR'), [
    'app-group.marathon.containerip.dcos.thisdcos.directory',
  ]);
  ours.zones.setTasks(table([], { agents: new Map() }));
  const gone = await ours.ask('1.0.0.10.in-addr.arpa', { type: 'PTR' });
  t.deepEqual(gone.answers, []);
});

test('without discovery information the host ports have names, and there is no dotted one', async (t) => {
  const ours = serving([task({ discovery: false, ports: [] })]);
  t.is((await datas(ours, '_app-group._tcp.marathon.mesos', 'SRV')).length, 2);
  t.is((await ours.ask('app.group.marathon.mesos')).rcode, 'NXDOMAIN');
});

test('as it should be: container addresses only where they can be reached, with the port that is there', async (t) => {
  const ours = serving([task()]);
  t.deepEqual(await datas(ours, 'app-group.marathon.mesos'), ['10.0.0.1']);
  t.regex((await datas(ours, '_app-group._tcp.marathon.mesos', 'SRV'))[0]!, /^31000 /);
  t.is((await ours.ask('_none._tcp.marathon.mesos', { type: 'SRV' })).rcode, 'NXDOMAIN');
  t.is((await ours.ask('mesos')).rcode, 'NOERROR');
  t.is(texts((await ours.ask('mesos', { type: 'SOA' })).answers).length, 1);
});

test('as Mesos-DNS does it: its peculiar answers to what is not there', async (t) => {
  const ours = serving([task()], true);
  const none = await ours.ask('_none._tcp.marathon.mesos', { type: 'SRV' });
  t.is(none.rcode, 'NOERROR');
  t.deepEqual([...texts(none.answers), ...texts(none.authorities)], []);
  t.is((await ours.ask('mesos')).rcode, 'NXDOMAIN');
  const soa = await ours.ask('leader.mesos', { type: 'SOA' });
  t.deepEqual(texts(soa.answers), []);
  t.is(texts(soa.authorities).length, 1);
  t.is((await ours.ask('none.mesos', { type: 'MX' })).rcode, 'NXDOMAIN');
});

test('as Mesos-DNS does it: who is responsible, and asterisks in what is asked', async (t) => {
  const ours = serving([task()], true);
  const { authorities } = await ours.ask('none.marathon.mesos');
  const soa = authorities![0] as { ttl: number; data: object };
  t.is(soa.ttl, 60);
  const times = { refresh: 60, retry: 600, expire: 86_400, minimum: 60 };
  t.like(soa.data, { mname: 'ns1.mesos', rname: 'root.ns1.mesos', ...times });
  t.deepEqual(await datas(ours, 'app-group.*.marathon.mesos'), ['172.18.0.2']);
  t.is((await ours.ask('*.marathon.mesos')).rcode, 'NXDOMAIN');
  const right = serving([task()]);
  t.is((await right.ask('app-group.*.marathon.mesos')).rcode, 'NXDOMAIN');
  t.like((await right.ask('none.mesos')).authorities![0], { ttl: 5, data: { mname: 'ns1.mesos', minimum: 1 } });
});

test('a scheduler without a PID is where its host name says, by address or elsewhere by name', async (t) => {
  const named = (hostname: string): Framework => ({ id: 'F-1', name: 'chronos.prod', hostname });
  const at = (hostname: string) => serving([], false, { frameworks: new Map([['F-1', named(hostname)]]) });
  t.deepEqual(await datas(at('10.0.9.7'), 'chronos.prod.mesos'), ['10.0.9.7']);
  t.deepEqual(await datas(at('host.corp.example'), 'chronos.prod.mesos'), ['host.corp.example']);
  t.is((await at('host').ask('chronos.prod.mesos')).rcode, 'NXDOMAIN');
  t.is((await at('chronos.prod.mesos').ask('chronos.prod.mesos')).rcode, 'NXDOMAIN', 'it leads to itself');
});

test('however long the name of a task, every one of its records can be asked for', async (t) => {
  const name = fc.string({ minLength: 1, maxLength: 120, size: 'max', unit: fc.constantFrom(...'abzAZ019-_.é') });
  const agentId = fc.constantFrom('20150101-1-5050-1-S0', 'x-S123456', '0');
  const known = new Map(
    ['20150101-1-5050-1-S0', 'x-S123456', '0'].map((id) => [id, { id, address: '10.0.0.1', port: 1 }]),
  );
  fc.assert(
    fc.property(name, agentId, (text, agent) => {
      const one = task({ name: text, agentId: agent });
      const own = canonical(one).split('.');
      t.true(own.every((label) => label.length <= 63));
      const zone = mesosTaskEntries(one, known, { zone: 'mesos', parity: false });
      if (zone.length > 0) t.true(zone.some(({ data }) => data.type === 33 && 'port' in data && data.port === 31_001));
    }),
    { numRuns: 10_000 },
  );
});

test('tasks of one name share it until the last is gone; only running ones on known agents have names', async (t) => {
  const ours = serving([]);
  const name = 'app-group.marathon.agentip.dcos.thisdcos.directory';
  const first = task();
  const second = task({ id: 'web.instance-2', agentAddress: '10.0.0.2' });
  const third = task({ id: 'web.instance-3', phase: 'killing', state: 'TASK_KILLING', agentAddress: '10.0.0.3' });
  ours.zones.setTasks(table([first, second, third]));
  t.deepEqual(await datas(ours, name), ['10.0.0.1', '10.0.0.2']);
  ours.zones.setTasks(table([second]));
  t.deepEqual(await datas(ours, name), ['10.0.0.2']);
  ours.zones.setTasks(table([second, task({ agentAddress: '10.0.0.2' })]));
  ours.zones.setTasks(table([second]));
  t.deepEqual(await datas(ours, name), ['10.0.0.2'], 'another task said the same and is gone');
  ours.zones.setTasks(table([]));
  t.is((await ours.ask(name)).rcode, 'NXDOMAIN');
  ours.zones.setTasks(table([task()], { agents: new Map() }));
  t.is((await ours.ask('app-group.marathon.mesos')).rcode, 'NXDOMAIN');
  ours.zones.setTasks(table([task()]));
  t.is((await ours.ask('app-group.marathon.mesos')).rcode, 'NOERROR', 'its agent is known now');
});

test('before the cluster has been heard of nothing is said to be missing', async (t) => {
  const ours = new Ours();
  for (const name of ['leader.mesos', 'x.dcos.thisdcos.directory', 'zk-1.zk', 'ready.spartan']) {
    t.is((await ours.ask(name)).rcode, 'SERVFAIL', name);
  }
  ours.zones.setTasks(NO_TASKS);
  t.is((await ours.ask('leader.mesos')).rcode, 'NXDOMAIN');
});

test('after any history of tasks, agents and frameworks the zones are what the last table alone gives', (t) => {
  const tasks = ['10.0.0.1', '10.0.0.2'].flatMap((agentAddress) =>
    (['running', 'killing'] as const).flatMap((phase) =>
      ['a', 'b', 'c'].map((id) => task({ id, agentAddress, phase, agentId: id === 'c' ? 'abc-S13' : 'abc-S12' })),
    ),
  );
  const places = ['10.0.0.1', '10.0.0.2'].flatMap((address) =>
    ['abc-S12', 'abc-S13'].map((id): Agent => ({ id, address, port: 5051 })),
  );
  const named = ['marathon', 'other'].map((name): Framework => ({ id: 'F-1', name, address: '10.0.9.1', port: 15101 }));
  const byId = <T extends { readonly id: string }>(some: readonly T[]) => new Map(some.map((one) => [one.id, one]));
  const tables = fc
    .tuple(fc.shuffledSubarray(tasks), fc.shuffledSubarray(places), fc.shuffledSubarray(named))
    .map(([some, agents, frameworks]) => table(some, { agents: byId(agents), frameworks: byId(frameworks) }));
  const zonesAfter = (history: readonly TaskTable[]): unknown => {
    const ours = new Ours({ tasks: { mesosTtl: 60, parity: false } });
    for (const one of history) ours.zones.setTasks(one);
    const lines = ours.zones.routing
      .zones()
      .flatMap((zone) =>
        [...zone.entries()].flatMap(([name, sets]) =>
          [...sets.values()].map(({ type, ttl, records }) => `${name} ${type} ${ttl} ${records.map(dataText).join()}`),
        ),
      );
    return lines.sort();
  };
  fc.assert(
    fc.property(fc.array(tables, { minLength: 2, maxLength: 6 }), (history) => {
      t.deepEqual(zonesAfter(history), zonesAfter(history.slice(-1)));
    }),
    { numRuns: 50 },
  );
});
