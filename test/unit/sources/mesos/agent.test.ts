import type { ServerResponse } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { formatFrontend } from '../../../../ts/model/service.js';
import { until } from '../../../../ts/quickstart/until.js';
import { HttpClient } from '../../../../ts/sources/http/client.js';
import { MesosAgentSource } from '../../../../ts/sources/mesos/agent.js';
import { MesosMasterSource } from '../../../../ts/sources/mesos/master.js';
import { listedMasters } from '../../../../ts/sources/mesos/masters.js';
import { AgentNews } from '../../../../ts/sources/mesos/news.js';
import type { Report } from '../../../../ts/sources/source.js';
import { Sources } from '../../../../ts/sources/sources.js';
import { Reports } from '../../../contract/reports.js';
import { sendText } from '../../../simulators/http.js';
import { MesosAgentSimulator } from '../../../simulators/mesos-agent.js';
import { MesosMasterSimulator } from '../../../simulators/mesos-master.js';
import { simulatedTask, type TaskSpec } from '../../../simulators/tasks.js';
import { World } from '../../../simulators/world.js';

interface Scene {
  readonly world: World;
  readonly agent: MesosAgentSimulator;
  readonly reports: Reports;
}

const ID = 'A-S0';
const HOST = '10.0.0.1';

async function scene(t: ExecutionContext, ...tasks: readonly Partial<TaskSpec>[]): Promise<Scene> {
  return sceneAt(t, HOST, ...tasks);
}

async function sceneAt(t: ExecutionContext, hostname: string, ...tasks: readonly Partial<TaskSpec>[]): Promise<Scene> {
  const world = new World();
  world.addFramework('F-0001', 'marathon');
  world.addAgent({ id: ID, hostname, port: 5051 });
  for (const [i, more] of tasks.entries()) launch(world, { id: `task.${i}`, ...more });
  const agent = new MesosAgentSimulator(world, ID);
  await agent.listener.listen();
  const http = new HttpClient({ files: {}, answerMs: 5_000 });
  const source = new MesosAgentSource({ url: agent.url, intervalMs: 5, ipv6: true }, { http, resolve });
  const reports = new Reports(source);
  t.teardown(async () => {
    await reports.stop();
    await http.close();
    await agent.listener.close();
  });
  return { world, agent, reports };
}

const resolve = async (host: string) => (host === 'agent.example' ? HOST : undefined);

function launch(world: World, more: Partial<TaskSpec> & { id: string }): void {
  const ports = [{ number: 9000, name: 'http', labels: { VIP_0: '/web:80' } }];
  world.launch(simulatedTask({ agent: ID, addresses: [HOST], ports, ...more }));
}

/** `web.marathon:80 10.0.0.1:9000=1` of each VIP. */
function shown({ services }: Report): readonly string[] {
  return services
    .map(({ frontend, backends }) => {
      const each = backends.map(({ address, port, weight }) => `${address}:${port}=${weight}`);
      return [formatFrontend(frontend), ...each].join(' ');
    })
    .sort();
}

const saying =
  (...lines: readonly string[]) =>
  (report: Report) =>
    !report.keepLast && shown(report).join() === lines.join();

test('labels of the tasks of an agent become VIPs, and follow the tasks', async (t) => {
  const { world, reports } = await scene(t, {});
  const first = await reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
  t.is(first.tasks?.tasks.get('F-0001\0task.0')?.framework, 'marathon');
  t.is(first.tasks?.agents.get(ID)?.address, HOST);
  world.turn('task.0', 'TASK_KILLING');
  await reports.until(saying('web.marathon:80 10.0.0.1:9000=0'));
  world.turn('task.0', 'TASK_KILLED');
  await reports.until(saying());
  t.pass();
});

test('a check that is not passed yet, passed, and failed', async (t) => {
  const { world, reports } = await scene(t, { checked: true });
  const pending = await reports.until(saying('web.marathon:80 10.0.0.1:9000=0'));
  t.is(pending.services[0]?.backends[0]?.reason, 'task has not been checked yet');
  world.check('task.0', true);
  await reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
  const before = reports.all.length;
  world.check('task.0', false);
  t.is(
    (await reports.until(saying('web.marathon:80 10.0.0.1:9000=0'), before)).services[0]?.backends[0]?.reason,
    'task is not healthy',
  );
});

test('bridge, container and pod networks, udp, IPv6 and legacy labels', async (t) => {
  const labelled = (label: string, more = {}) => ({ VIP_0: label, ...more });
  const { reports } = await scene(
    t,
    {
      addresses: ['172.18.0.2'],
      mappings: [[80, 31000]],
      ports: [{ number: 31000, labels: labelled('/bridge:80', { 'network-scope': 'host' }) }],
    },
    { addresses: ['9.0.1.5'], ports: [{ number: 53, protocol: 'udp', labels: labelled('/overlay:53') }] },
    { addresses: ['fd01:b::5'], ports: [{ number: 80, labels: labelled('fd01:c::12:80') }] },
    { resources: [[31005, 31006]], ports: [], labels: { VIP_PORT1: 'tcp://1.2.3.4:5000' } },
  );
  const lines = [
    '1.2.3.4:5000 10.0.0.1:31006=1',
    '[fd01:c::12]:80 fd01:b::5:80=1',
    'bridge.marathon:80 10.0.0.1:31000=1',
    'overlay.marathon:53 9.0.1.5:53=1',
  ];
  await reports.until(saying(...lines));
  t.pass();
});

test('one odd task hides none of its neighbours', async (t) => {
  const { world, reports } = await scene(t, {});
  const odd = simulatedTask({ id: 'odd', agent: ID, addresses: [HOST] });
  world.launch({ ...odd, message: { ...odd.message, discovery: { ports: { ports: 'many' } } } });
  launch(world, { id: 'homeless', addresses: [] });
  launch(world, { id: 'bad', ports: [{ number: 9001, labels: { VIP_0: '/bad' } }] });
  const report = await reports.until(({ faults }) => faults.length > 0);
  t.deepEqual(shown(report), ['web.marathon:80 10.0.0.1:9000=1']);
  t.is(report.faults[0]?.object, 'task F-0001/odd');
  t.regex(report.faults[0]?.cause ?? '', /discovery\.ports\.ports must be array/);
  t.deepEqual(report.labels?.rejected.map(({ taskId, code, mended }) => [taskId, code, mended]).sort(), [
    ['bad', 'LABEL_PORT_MISSING', '/bad:9001'],
    ['homeless', 'LABEL_NO_ADDRESS', undefined],
  ]);
});

test('a task of a framework that is not known yet waits', async (t) => {
  const { world, reports } = await scene(t, { framework: 'F-0002' });
  await reports.until(saying());
  world.addFramework('F-0002', 'kafka');
  await reports.until(saying('web.kafka:80 10.0.0.1:9000=1'));
  t.pass();
});

test('an agent that goes by name is at the address of that name, and a name without one is said', async (t) => {
  const named = await sceneAt(t, 'agent.example', {});
  await named.reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
  const lost = await sceneAt(t, 'nowhere.example', {});
  const failed = await lost.reports.until(({ keepLast }) => keepLast === true);
  t.is(failed.faults[0]?.code, 'AGENT_UNKNOWN');
});

test('tasks of other agents are not published', async (t) => {
  const { world, reports } = await scene(t, {});
  world.launch({ ...simulatedTask({ id: 'b', agent: ID, addresses: ['10.0.0.2'] }) });
  const stray = simulatedTask({
    id: 'stray',
    agent: 'A-S1',
    addresses: ['10.0.0.2'],
    ports: [{ number: 1, labels: { VIP_0: '/x:1' } }],
  });
  world.launch({ ...stray, agentId: ID });
  const report = await reports.until(({ tasks }) => tasks?.tasks.has('F-0001\0b') === true);
  t.deepEqual(shown(report), ['web.marathon:80 10.0.0.1:9000=1']);
});

type Failure = Partial<Pick<MesosAgentSimulator, 'recovering' | 'instead' | 'guard'>>;

/** What an agent, or whatever answers in its place, may do, and what is said of it. */
const failures: readonly (readonly [string, Failure, string])[] = [
  ['503 while it recovers', { recovering: 503 }, 'HTTP_STATUS'],
  ['404 before its routes are there', { recovering: 404 }, 'HTTP_STATUS'],
  ['403', { guard: { forbidden: true } }, 'ACCESS_DENIED'],
  ['garbage', { instead: (response) => sendText(response, 200, '<html>') }, 'ANSWER_INVALID'],
  ['null', { instead: (response) => sendText(response, 200, 'null') }, 'ANSWER_INVALID'],
  ['an empty object', { instead: (response) => sendText(response, 200, '{}') }, 'AGENT_UNKNOWN'],
  ['tasks that are no list', { instead: (response) => sendText(response, 200, ODD) }, 'ANSWER_INVALID'],
  ['half an answer', { instead: half }, 'HTTP_UNREACHABLE'],
  ['401', { guard: { authorization: 'token=x' } }, 'ACCESS_DENIED'],
];

const ODD = JSON.stringify({
  get_agent: { agent_info: { id: { value: ID }, hostname: HOST } },
  get_state: { get_tasks: { launched_tasks: 'many' } },
});

function half(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '100' }).write('{"type":');
  setImmediate(() => response.destroy());
}

for (const [what, failure, code] of failures) {
  test(`${what}: the last state stays, the fault is named, and it goes on afterwards`, async (t) => {
    const { world, agent, reports } = await scene(t, {});
    await reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
    Object.assign(agent, failure);
    const failed = await reports.until(({ keepLast }) => keepLast === true);
    t.is(failed.faults[0]?.code, code);
    t.true(failed.faults[0]?.object.startsWith(agent.url));
    Object.assign(agent, { recovering: false, instead: undefined, guard: {} });
    world.turn('task.0', 'TASK_KILLING');
    await reports.until(saying('web.marathon:80 10.0.0.1:9000=0'));
  });
}

test('an endless answer is given up', async (t) => {
  const { agent, reports } = await scene(t, {});
  await reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
  const piece = Buffer.alloc(1 << 20, ' ');
  agent.instead = (response) => {
    const more = () => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    response.writeHead(200);
    more();
  };
  const failed = await reports.until(({ keepLast }) => keepLast === true);
  t.is(failed.faults[0]?.code, 'ANSWER_TOO_LARGE');
});

test('every master is dead: VIPs of the own agent follow its tasks all the same', async (t) => {
  const { world, agent, reports: polling } = await scene(t, {});
  await polling.stop();
  const master = new MesosMasterSimulator(world);
  await master.listener.listen();
  const [http, news, running] = [new HttpClient({ files: {} }), new AgentNews(), new AbortController()];
  const following = { http, masters: listedMasters([master.url]), news };
  const sources = new Sources(
    { waitMs: 60_000 },
    {
      sources: [
        new MesosAgentSource({ url: agent.url, intervalMs: 5, ipv6: true }, { http, news }),
        new MesosMasterSource({ encoding: 'json', ipv6: true, vips: false, retryMs: [1, 20] }, following),
      ],
    },
  );
  sources.start(running.signal);
  t.teardown(async () => {
    running.abort();
    await http.close();
  });
  const weight = () => sources.table().services.get('web.marathon_80')?.definition.backends[0]?.weight;
  const faultOf = (name: string) => sources.status().find((one) => one.name === name)?.faults[0]?.code;
  await until('a VIP', 10_000, () => weight() === 1 && sources.ready());
  await master.close();
  await until('the loss of the master', 10_000, () => faultOf('mesos-master') === 'HTTP_UNREACHABLE');
  world.turn('task.0', 'TASK_KILLING');
  await until('its drain', 10_000, () => weight() === 0);
  world.turn('task.0', 'TASK_KILLED');
  launch(world, { id: 'task.1' });
  await until('another task', 10_000, () => weight() === 1);
  t.is(faultOf('mesos-agent'), undefined);
});

test('news of a master about a task of this agent, and only that, has the agent asked at once', async (t) => {
  const { world, agent, reports: polling } = await scene(t, {});
  await polling.stop();
  world.addAgent({ id: 'A-S1', hostname: '10.0.0.2', port: 5051 });
  const master = new MesosMasterSimulator(world);
  await master.listener.listen();
  const [http, news] = [new HttpClient({ files: {}, answerMs: 5_000 }), new AgentNews()];
  const following = { http, masters: listedMasters([master.url]), news };
  const asking = new MesosAgentSource({ url: agent.url, intervalMs: 3_600_000, ipv6: true }, { http, news });
  const told = new Reports(new MesosMasterSource({ encoding: 'json', ipv6: true, vips: false }, following));
  const reports = new Reports(asking);
  t.teardown(async () => {
    await Promise.all([reports.stop(), told.stop()]);
    await http.close();
    await master.close();
  });
  await reports.until(saying('web.marathon:80 10.0.0.1:9000=1'));
  await told.until(({ tasks }) => tasks?.tasks.size === 1);
  world.turn('task.0', 'TASK_KILLING');
  await reports.until(saying('web.marathon:80 10.0.0.1:9000=0'));
  world.turn('task.0', 'TASK_KILLED');
  await reports.until(saying());
  launch(world, { id: 'elsewhere', agent: 'A-S1' });
  await told.until(({ tasks }) => tasks?.tasks.has('F-0001\0elsewhere') ?? false);
  t.is(reports.all.length, 3);
});
