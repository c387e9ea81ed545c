import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { formatFrontend } from '../../../../ts/model/service.js';
import { until } from '../../../../ts/quickstart/until.js';
import { HttpClient } from '../../../../ts/sources/http/client.js';
import type { EncodingName } from '../../../../ts/sources/mesos/encoding.js';
import { MesosMasterSource } from '../../../../ts/sources/mesos/master.js';
import { listedMasters, redirected } from '../../../../ts/sources/mesos/masters.js';
import type { Grace } from '../../../../ts/sources/mesos/mirror.js';
import type { Report } from '../../../../ts/sources/source.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { Reports } from '../../../contract/reports.js';
import { type MasterOptions, MesosMasterSimulator } from '../../../simulators/mesos-master.js';
import { simulatedTask, type TaskSpec } from '../../../simulators/tasks.js';
import { World } from '../../../simulators/world.js';

interface Settings extends MasterOptions {
  readonly encoding?: EncodingName;
  readonly grace?: Grace;
  readonly masters?: number;
}

interface Scene {
  readonly world: World;
  readonly masters: readonly MesosMasterSimulator[];
  readonly reports: Reports;
}

const patient: Grace = { agentsMs: 60_000, tasksMs: 60_000 };

/** A cluster of two agents with a task each, one or more masters, the first of them leading, and a source that follows. */
async function scene(
  t: ExecutionContext,
  settings: Settings = {},
  prepare?: (scene: Omit<Scene, 'reports'>) => void,
): Promise<Scene> {
  const world = new World();
  world.addFramework('F-0001', 'marathon');
  for (const n of [1, 2]) world.addAgent({ id: `A-S${n}`, hostname: `10.0.0.${n}`, port: 5051 });
  for (const n of [1, 2]) launch(world, { id: `task.${n}`, agent: `A-S${n}`, addresses: [`10.0.0.${n}`] });
  const masters = Array.from({ length: settings.masters ?? 1 }, () => new MesosMasterSimulator(world, settings));
  for (const master of masters) await master.listener.listen();
  for (const other of masters.slice(1)) other.redirect = masters[0]!.url.slice('http:'.length);
  prepare?.({ world, masters });
  const http = new HttpClient({ files: {}, answerMs: 5_000 });
  const source = new MesosMasterSource(
    {
      encoding: settings.encoding ?? 'json',
      ipv6: true,
      vips: true,
      grace: settings.grace ?? patient,
      retryMs: [1, 20],
      heartbeatMs: settings.heartbeatMs ?? 5_000,
    },
    { http, masters: listedMasters(masters.map(({ url }) => url).toReversed()) },
  );
  const reports = new Reports(source);
  t.teardown(async () => {
    await reports.stop();
    await http.close();
    await Promise.all(masters.map((master) => master.close()));
  });
  return { world, masters, reports };
}

function launch(world: World, more: Pick<TaskSpec, 'id' | 'agent' | 'addresses'> & Partial<TaskSpec>): void {
  const ports = [{ number: 9000, name: 'http', labels: { VIP_0: '/web:80' } }];
  world.launch(simulatedTask({ ports, ...more }));
}

/** `web.marathon:80 10.0.0.1=1 …` of each VIP. */
function shown({ services }: Report): readonly string[] {
  return services
    .map(({ frontend, backends }) => {
      return [formatFrontend(frontend), ...backends.map(({ address, weight }) => `${address}=${weight}`)].join(' ');
    })
    .sort();
}

const saying =
  (...lines: readonly string[]) =>
  (report: Report) =>
    !report.keepLast && shown(report).join() === lines.join();
const BOTH = 'web.marathon:80 10.0.0.1=1 10.0.0.2=1';
const failing =
  (code: string) =>
  ({ faults, keepLast }: Report) =>
    keepLast === true && faults[0]?.code === code;
const newest = (reports: Reports) => reports.all.length;

for (const encoding of ['json', 'protobuf'] as const) {
  test(`${encoding}: the snapshot, then every change, in whatever chunks`, async (t) => {
    const bytewise = (record: Buffer) => Array.from(record, (byte) => Buffer.of(byte));
    const { world, reports } = await scene(t, { encoding, chunk: bytewise });
    const first = await reports.until(saying(BOTH));
    t.is(first.tasks?.agents.size, 2);
    launch(world, { id: 'task.3', agent: 'A-S1', addresses: ['10.0.0.3'], state: 'TASK_STAGING' });
    world.turn('task.3', 'TASK_RUNNING', {
      container_status: { network_infos: [{ ip_addresses: [{ ip_address: '10.0.0.3' }] }] },
    });
    await reports.until(saying(`${BOTH} 10.0.0.3=1`));
    world.check('task.3', false);
    await reports.until(saying(`${BOTH} 10.0.0.3=0`));
    const before = newest(reports);
    world.turn('task.3', 'TASK_KILLED');
    await reports.until(saying(BOTH), before);
  });
}

test('tasks come before their agent, and before their framework: they wait, and are published once', async (t) => {
  const { world, reports } = await scene(t);
  await reports.until(saying(BOTH));
  world.tasks.set(
    'task.3',
    simulatedTask({
      id: 'task.3',
      agent: 'A-S3',
      framework: 'F-0002',
      addresses: ['10.0.0.3'],
      ports: [{ number: 1, labels: { VIP_0: '/late:1' } }],
    }),
  );
  world.addAgent({ id: 'A-S3', hostname: '10.0.0.3', port: 5051 });
  world.addFramework('F-0002', 'kafka');
  await reports.until(saying('late.kafka:1 10.0.0.3=1', BOTH));
  t.true(
    reports.all.every(
      (report) => report.keepLast || shown(report).every((line) => !line.startsWith('late') || line.endsWith('=1')),
    ),
  );
});

test('an agent that is lost takes its tasks along, and brings them back', async (t) => {
  const { world, reports } = await scene(t);
  await reports.until(saying(BOTH));
  world.loseAgent('A-S2');
  await reports.until(saying('web.marathon:80 10.0.0.1=1'));
  const before = newest(reports);
  world.addAgent({ id: 'A-S2', hostname: '10.0.0.2', port: 5051 });
  await reports.until(saying(BOTH), before);
  t.pass();
});

test('a standby sends on to the leader', async (t) => {
  const { reports, masters } = await scene(t, { masters: 3 });
  const report = await reports.until(saying(BOTH));
  t.is(`http://127.0.0.1:${report.tasks?.leader?.port}`, masters[0]!.url);
  t.is(report.tasks?.masters.length, 3);
});

test('503 in all its forms keeps what was known, and is asked again', async (t) => {
  const { masters, reports } = await scene(t);
  await reports.until(saying(BOTH));
  const [master] = masters;
  for (const busy of ['No leader elected', 'Master has not finished recovery', 'Agent has not finished recovery']) {
    const before = newest(reports);
    master!.busy = busy;
    master!.drop();
    const failed = await reports.until(failing('HTTP_STATUS'), before);
    t.true(failed.faults[0]?.cause.includes(busy));
    master!.busy = undefined;
    await reports.until(saying(BOTH), newest(reports));
  }
  t.true(reports.all.every((report) => report.keepLast || shown(report).length > 0));
});

test('silence ends a stream; the state is unchanged meanwhile and afterwards', async (t) => {
  const { masters, reports } = await scene(t, { heartbeatMs: 100 });
  await reports.until(saying(BOTH));
  masters[0]!.heartbeats = false;
  await reports.until(failing('STREAM_SILENT'));
  await reports.until(saying(BOTH), newest(reports));
  t.pass();
});

test('heartbeats alone keep a stream and make no report', async (t) => {
  const { reports } = await scene(t, { heartbeatMs: 500 });
  await reports.until(saying(BOTH));
  const before = newest(reports);
  await sleep(4_000); // longer than the stream may be silent
  t.is(newest(reports), before);
});

test('fail-over: what a new leader does not know again yet stays, until it does', async (t) => {
  const { world, masters, reports } = await scene(t, { masters: 2 });
  await reports.until(saying(BOTH));
  const before = newest(reports);
  for (const id of ['A-S1', 'A-S2']) {
    world.agents.get(id)!.registered = false;
    masters[1]!.recovered.add(id);
  }
  masters[1]!.redirect = undefined;
  masters[0]!.busy = 'No leader elected';
  masters[0]!.drop();
  await reports.until(saying(BOTH), before);
  world.turn('task.1', 'TASK_KILLED');
  world.addAgent({ id: 'A-S1', hostname: '10.0.0.1', port: 5051 });
  await reports.until(saying('web.marathon:80 10.0.0.2=1'));
  world.addAgent({ id: 'A-S2', hostname: '10.0.0.2', port: 5051 });
  launch(world, { id: 'task.3', agent: 'A-S2', addresses: ['10.0.0.3'] });
  await reports.until(saying('web.marathon:80 10.0.0.2=1 10.0.0.3=1'));
  t.true(reports.all.slice(before).every((report) => report.keepLast || shown(report).length === 1));
});

test('fail-over: agents that never come back are given up after their time', async (t) => {
  const { world, masters, reports } = await scene(t, { masters: 2, grace: { agentsMs: 300, tasksMs: 50 } });
  await reports.until(saying(BOTH));
  world.agents.get('A-S2')!.registered = false;
  masters[1]!.recovered.add('A-S2');
  masters[1]!.redirect = undefined;
  masters[0]!.busy = 'No leader elected';
  const before = newest(reports);
  masters[0]!.drop();
  await reports.until(saying(BOTH), before);
  await reports.until(saying('web.marathon:80 10.0.0.1=1'), before);
  t.pass();
});

test('fail-over: what checks have found stays until the leader hears of it again', async (t) => {
  const checked = { checked: true, healthy: true };
  const { world, masters, reports } = await scene(t, { masters: 2 }, ({ world }) => {
    launch(world, { id: 'task.1', agent: 'A-S1', addresses: ['10.0.0.1'], ...checked });
  });
  await reports.until(saying(BOTH));
  launch(world, { id: 'task.1', agent: 'A-S1', addresses: ['10.0.0.1'], checked: true });
  masters[1]!.redirect = undefined;
  masters[0]!.busy = 'No leader elected';
  const before = newest(reports);
  masters[0]!.drop();
  const after = await reports.until((report) => !report.keepLast, before);
  t.deepEqual(shown(after), [BOTH]);
});

test('the first start after a fail-over publishes nothing before the leader knows its agents again', async (t) => {
  const { world, reports } = await scene(t, {}, ({ world, masters }) => {
    world.agents.get('A-S2')!.registered = false;
    masters[0]!.recovered.add('A-S2');
  });
  const held = await reports.until(({ note }) => note?.includes('waits for agents') === true);
  t.true(held.keepLast);
  world.addAgent({ id: 'A-S2', hostname: '10.0.0.2', port: 5051 });
  const first = await reports.until((report) => !report.keepLast);
  t.deepEqual(shown(first), [BOTH]);
});

test('fail-over: frameworks and tasks are known again from each agent, and nobody asks for rights meanwhile', async (t) => {
  const { world, masters, reports } = await scene(t, { masters: 2 });
  await reports.until(saying(BOTH));
  const before = newest(reports);
  for (const id of world.takeOver()) masters[1]!.recovered.add(id);
  masters[1]!.redirect = undefined;
  masters[0]!.busy = 'No leader elected';
  masters[0]!.drop();
  await reports.until(({ note }) => note?.includes('waits for agents') === true, before);
  world.addAgent({ id: 'A-S1', hostname: '10.0.0.1', port: 5051 });
  world.addAgent({ id: 'A-S2', hostname: '10.0.0.2', port: 5051 });
  const whole = await reports.until(({ note }) => /sees 1 framework and 2 agents$/.test(note ?? ''), before);
  t.deepEqual(shown(whole), [BOTH]);
  t.true(reports.all.slice(before).every((report) => report.keepLast || saying(BOTH)(report)));
  t.false(reports.all.some(({ note }) => note?.includes('VIEW_FRAMEWORK')));
});

test('a state that is ahead of its status counts', async (t) => {
  const { world, reports } = await scene(t);
  await reports.until(saying(BOTH));
  world.lateStatus = true;
  world.turn('task.1', 'TASK_KILLING');
  await reports.until(saying('web.marathon:80 10.0.0.1=0 10.0.0.2=1'));
  t.pass();
});

test('an agent given up by an operator takes its tasks along for good', async (t) => {
  const { world, reports } = await scene(t);
  await reports.until(saying(BOTH));
  world.markGone('A-S2');
  const report = await reports.until(saying('web.marathon:80 10.0.0.1=1'));
  t.is(report.tasks?.agents.size, 1);
});

test('with the right to see one framework of two its VIPs are served', async (t) => {
  const { reports } = await scene(t, {}, ({ world, masters }) => {
    world.addFramework('F-0002', 'kafka');
    launch(world, { id: 'task.2', agent: 'A-S2', addresses: ['10.0.0.2'], framework: 'F-0002' });
    masters[0]!.view = new Set(['F-0002']);
  });
  const report = await reports.until(saying('web.kafka:80 10.0.0.2=1'));
  t.regex(report.note ?? '', /sees 1 framework and 2 agents$/);
});

test('where schedulers listen is asked of the interface that knows it, anew at every news of one', async (t) => {
  const { world, reports } = await scene(t, {}, ({ world: before }) => {
    before.addFramework('F-0002', 'kafka', 'scheduler-1@10.0.9.2:15102');
  });
  const place = (id: string) => (report: Report) => report.tasks?.frameworks.get(id)?.port;
  const report = await reports.until((one) => place('F-0002')(one) === 15102);
  t.deepEqual(report.tasks?.frameworks.get('F-0002'), {
    id: 'F-0002',
    name: 'kafka',
    address: '10.0.9.2',
    port: 15102,
  });
  t.deepEqual(report.tasks?.frameworks.get('F-0001'), { id: 'F-0001', name: 'marathon' });
  world.addFramework('F-0002', 'kafka', 'scheduler-2@[2001:db8::9]:15103');
  const moved = await reports.until((one) => place('F-0002')(one) === 15103);
  t.is(moved.tasks?.frameworks.get('F-0002')?.address, '2001:db8::9');
});

test('a view without rights is said', async (t) => {
  const { reports } = await scene(t, {}, ({ masters }) => {
    masters[0]!.view = new Set();
  });
  const report = await reports.until(saying());
  t.regex(report.note ?? '', /as anonymous, sees 0 frameworks and 2 agents; has anonymous the rights VIEW_FRAMEWORK/);
});

test('a subscriber too many closes the oldest, which comes back', async (t) => {
  const { masters, reports } = await scene(t, { maxSubscribers: 1 });
  await reports.until(saying(BOTH));
  const before = newest(reports);
  const headers = { 'content-type': 'application/json' };
  const other = await fetch(`${masters[0]!.url}/api/v1`, { method: 'POST', headers, body: '{"type":"SUBSCRIBE"}' });
  await reports.until(failing('STREAM_ENDED'), before);
  await reports.until(saying(BOTH), before);
  await other.body?.cancel();
  t.is(masters[0]!.subscribers, 1);
});

const nonsense: readonly (readonly [string, string, string])[] = [
  ['bytes that are no record', 'HTTP/1.1 200 OK\n', 'RECORD_INVALID'],
  ['a record without end', '999999999999\n', 'RECORD_TOO_LARGE'],
  ['a record that is no event', '4\nnull', 'RECORD_INVALID'],
  ['a record that is no JSON', '5\n{"a":', 'RECORD_INVALID'],
  ['an event of another form', '36\n{"type":"AGENT_ADDED","agent_added":1}', 'RECORD_INVALID'],
];

for (const [what, bytes, code] of nonsense) {
  test(`${what}: named, the last state stays, and it subscribes again`, async (t) => {
    const { masters, reports } = await scene(t);
    await reports.until(saying(BOTH));
    masters[0]!.babble(Buffer.from(bytes));
    await reports.until(failing(code));
    await reports.until(saying(BOTH), newest(reports));
    t.true(reports.all.every((report) => report.keepLast || shown(report).length > 0));
  });
}

test('masters that are down are asked again after a pause, every time', async (t) => {
  const http = new HttpClient({ files: {}, answerMs: 5_000 });
  const source = new MesosMasterSource(
    { encoding: 'json', ipv6: true, vips: true, retryMs: [50, 50] },
    { http, masters: listedMasters(['http://127.0.0.1:1']) },
  );
  const begun = performance.now();
  const reports = new Reports(source);
  await until('several attempts', 30_000, () => reports.all.length >= 5);
  await reports.stop();
  await http.close();
  const most = (performance.now() - begun) / 50 + 1;
  t.true(reports.all.length <= most, `${reports.all.length} attempts, ${most} at most`);
});

test('one odd task spoils neither snapshot nor stream', async (t) => {
  const odd = simulatedTask({ id: 'odd', agent: 'A-S1', addresses: [] });
  const { reports } = await scene(t, {}, ({ world }) => {
    world.launch({ ...odd, message: { ...odd.message, resources: 'all' } as unknown as typeof odd.message });
  });
  const report = await reports.until(saying(BOTH));
  t.is(report.faults[0]?.object, 'task F-0001/odd');
});

test('a redirect leads to http or https, and never from the one that is encrypted to the other', (t) => {
  t.is(redirected('http://10.0.0.1:5050/api/v1', '//10.0.0.2:5050/api/v1'), 'http://10.0.0.2:5050/api/v1');
  t.is(redirected('https://10.0.0.1:5050/api/v1', '//10.0.0.2:5050/api/v1'), 'https://10.0.0.2:5050/api/v1');
  for (const location of [undefined, 'file:///etc/passwd', 'http://10.0.0.2/']) {
    const error = t.throws(() => redirected('https://10.0.0.1/', location), { instanceOf: VipdError });
    t.is(error?.fault.code, 'REDIRECT_INVALID');
  }
});
