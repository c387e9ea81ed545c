import test, { type ExecutionContext } from 'ava';
import { formatFrontend } from '../../../../ts/model/service.js';
import { NO_TASKS, type TaskTable, taskKey } from '../../../../ts/model/task.js';
import { HttpClient } from '../../../../ts/sources/http/client.js';
import { MarathonSource } from '../../../../ts/sources/marathon/marathon.js';
import { readTask } from '../../../../ts/sources/mesos/task.js';
import type { Report } from '../../../../ts/sources/source.js';
import { Reports } from '../../../contract/reports.js';
import { sendText } from '../../../simulators/http.js';
import { MarathonSimulator } from '../../../simulators/marathon.js';
import type { Json } from '../../../simulators/world.js';

interface Scene {
  readonly marathon: MarathonSimulator;
  readonly reports: Reports;
}

async function scene(
  t: ExecutionContext,
  more: {
    standby?: boolean;
    silenceMs?: number;
    keepAliveMs?: number;
    confirmMs?: number;
    heard?: () => TaskTable;
  } = {},
): Promise<Scene> {
  const marathon = new MarathonSimulator(more.keepAliveMs === undefined ? {} : { keepAliveMs: more.keepAliveMs });
  await marathon.listener.listen();
  const standby = new MarathonSimulator();
  await standby.listener.listen();
  standby.leader = marathon;
  const http = new HttpClient({ files: {}, answerMs: 5_000 });
  const urls = [more.standby ? standby.url : marathon.url];
  const source = new MarathonSource(
    {
      ...{ urls, ipv6: true, vips: true, retryMs: [1, 20], readMs: 200 },
      ...{ silenceMs: more.silenceMs ?? 10_000, confirmMs: more.confirmMs ?? 60_000 },
    },
    {
      http,
      resolve: async (host) => (host === 'agent.example' ? '10.0.0.7' : undefined),
      ...(more.heard && { heard: more.heard }),
    },
  );
  const reports = new Reports(source);
  t.teardown(async () => {
    await reports.stop();
    await http.close();
    await Promise.all([marathon.close(), standby.close()]);
  });
  return { marathon, reports };
}

const labels = { VIP_0: '/web:80' };
const task = (n: number, more: Json = {}) => ({ id: `t.${n}`, host: `10.0.0.${n}`, ports: [31000 + n], ...more });

/** An app of the host network with these tasks. */
const app = (tasks: readonly Json[], more: Json = {}) => ({
  id: '/dcos-101/app2',
  networks: [{ mode: 'host' }],
  portDefinitions: [{ port: 10000, protocol: 'tcp', name: 'http', labels }],
  container: null,
  tasks: [...tasks],
  ...more,
});

function shown({ services }: Report): readonly string[] {
  return services
    .map(({ frontend, backends }) => {
      const each = backends.map(({ address, port, weight }) => `${address}:${port}=${weight}`);
      return [`${frontend.protocol}/${formatFrontend(frontend)}`, ...each].join(' ');
    })
    .sort();
}

const saying =
  (...lines: readonly string[]) =>
  (report: Report) =>
    !report.keepLast && shown(report).join() === lines.join();

const ONE = 'tcp/web.marathon:80 10.0.0.1:31001=1';
const BOTH = `${ONE} 10.0.0.2:31002=1`;

test('apps are read, and read again for an event', async (t) => {
  const { marathon, reports } = await scene(t);
  marathon.put(app([task(1)]));
  const first = await reports.until(saying(ONE));
  t.is(first.tasks?.tasks.get('F-0001\0t.1')?.name, 'app2.dcos-101');
  marathon.put(app([task(1), task(2)]));
  await reports.until(saying(BOTH));
  marathon.apps.clear();
  marathon.tell('app_terminated_event', { appId: '/dcos-101/app2' });
  await reports.until(saying(), reports.all.length - 1);
});

/** An app, and the VIPs it comes to. */
const networks: readonly (readonly [string, Json, readonly string[]])[] = [
  ['host by name', app([task(1, { host: 'agent.example' })]), ['tcp/web.marathon:80 10.0.0.7:31001=1']],
  [
    'udp,tcp',
    app([task(1)], { portDefinitions: [{ protocol: 'udp,tcp', labels }] }),
    ['tcp/web.marathon:80 10.0.0.1:31001=1', 'udp/web.marathon:80 10.0.0.1:31001=1'],
  ],
  [
    'bridge',
    {
      id: '/b',
      networks: [{ mode: 'container/bridge' }],
      container: { type: 'DOCKER', portMappings: [{ containerPort: 80, hostPort: 0, protocol: 'tcp', labels }] },
      tasks: [task(1, { ipAddresses: [{ ipAddress: '172.17.0.2' }] })],
    },
    [ONE],
  ],
  [
    'bridge as before 1.5',
    {
      id: '/b',
      container: { type: 'DOCKER', docker: { network: 'BRIDGE', portMappings: [{ containerPort: 80, labels }] } },
      tasks: [task(1)],
    },
    [ONE],
  ],
  [
    'a container network without a mapping, and with one',
    {
      id: '/c',
      networks: [{ mode: 'container', name: 'dcos' }],
      container: {
        type: 'MESOS',
        portMappings: [
          { containerPort: 80, labels },
          { containerPort: 81, hostPort: 0, labels: { VIP_0: '/map:81' } },
        ],
      },
      tasks: [task(1, { ipAddresses: [{ ipAddress: '9.0.1.5' }, { ipAddress: 'fd01:b::5' }] })],
    },
    ['tcp/map.marathon:81 10.0.0.1:31001=1', 'tcp/web.marathon:80 9.0.1.5:80=1 fd01:b::5:80=1'],
  ],
  [
    'an address for each task, as before 1.5',
    {
      id: '/i',
      ipAddress: { discovery: { ports: [{ number: 80, name: 'http', protocol: 'tcp', labels }] } },
      tasks: [task(1, { ports: [], ipAddresses: [{ ipAddress: '9.0.1.6' }] })],
    },
    ['tcp/web.marathon:80 9.0.1.6:80=1'],
  ],
];

for (const [what, definition, lines] of networks) {
  test(`network: ${what}`, async (t) => {
    const { marathon, reports } = await scene(t);
    marathon.put(definition as Json & { id: string });
    await reports.until(saying(...lines));
    t.pass();
  });
}

test('pods', async (t) => {
  const { marathon, reports } = await scene(t);
  const endpoints = [{ name: 'http', containerPort: 80, hostPort: 0, protocol: ['tcp'], labels }];
  const container = { name: 'c1', status: 'TASK_RUNNING', endpoints: [{ name: 'http', allocatedHostPort: 31001 }] };
  const instance = {
    id: 'pod.i1',
    agentHostname: '10.0.0.1',
    networks: [{ addresses: ['9.0.1.9'] }],
    containers: [container],
  };
  marathon.pods.push({ id: '/pod', spec: { containers: [{ name: 'c1', endpoints }] }, instances: [instance, 'odd'] });
  marathon.tell('pod_created_event');
  const report = await reports.until(saying(ONE));
  t.is(report.faults[0]?.code, 'APP_INVALID');
});

test('health: not before a check is passed, not after it fails, and what a new leader forgot stands', async (t) => {
  const { marathon, reports } = await scene(t);
  const checked = (results: unknown) =>
    app([task(1, { healthCheckResults: results })], { healthChecks: [{ protocol: 'HTTP' }] });
  const zero = 'tcp/web.marathon:80 10.0.0.1:31001=0';
  marathon.put(checked(null));
  await reports.until(saying(zero));
  marathon.put(checked([{ alive: true }]));
  await reports.until(saying(ONE));
  const before = reports.all.length;
  marathon.put(checked([null]));
  await reports.until(saying(ONE), before);
  marathon.put(checked([{ alive: false }]));
  await reports.until(saying(zero), before);
  t.pass();
});

test('health: what Marathon does not say, the master of Mesos does, of the checks that Mesos makes', async (t) => {
  const heard = (healthy: boolean): TaskTable => {
    const { task: told } = readTask(
      {
        task_id: { value: 't.1' },
        framework_id: { value: 'F-0001' },
        agent_id: { value: 'S' },
        statuses: [{ healthy }],
      },
      { framework: 'marathon', agentAddress: '10.0.0.1' },
    );
    return { ...NO_TASKS, tasks: new Map([[taskKey(told), told]]) };
  };
  let master = heard(true);
  const { marathon, reports } = await scene(t, { heard: () => master });
  const checked = (...protocols: string[]) =>
    app([task(1, { healthCheckResults: [] })], { healthChecks: protocols.map((protocol) => ({ protocol })) });
  const zero = 'tcp/web.marathon:80 10.0.0.1:31001=0';
  marathon.put(checked('MESOS_HTTP', 'HTTP'));
  await reports.until(saying(zero));
  marathon.put(checked('MESOS_HTTP', 'COMMAND'));
  await reports.until(saying(ONE));
  const before = reports.all.length;
  master = heard(false);
  marathon.tell('status_update_event');
  await reports.until(saying(zero), before);
  t.pass();
});

test('readiness: a new task takes no connections before it is ready', async (t) => {
  const { marathon, reports } = await scene(t);
  const deploying = (ready: boolean) =>
    app([task(1, { version: 'v1' }), task(2, { version: 'v2' })], {
      version: 'v2',
      readinessChecks: [{ name: 'ready' }],
      readinessCheckResults: ready ? [{ taskId: 't.2', ready: true }] : [],
    });
  marathon.store.deployments.set('/dcos-101/app2', 'deployment-1');
  marathon.put(deploying(false));
  await reports.until(saying(`${ONE} 10.0.0.2:31002=0`));
  marathon.put(deploying(true));
  await reports.until(saying(BOTH));
  t.pass();
});

/** What of the events of Marathon can change what is behind a VIP. */
const telling = [
  ...['status_update_event', 'instance_changed_event', 'instance_health_changed_event', 'health_status_changed_event'],
  ...['api_post_event', 'app_terminated_event', 'pod_created_event', 'pod_updated_event', 'pod_deleted_event'],
  ...['deployment_success', 'deployment_failed', 'group_change_success'],
];

test('each kind of event that tells of a change leads to a reading, and none of the others', async (t) => {
  const { marathon, reports } = await scene(t);
  await reports.until(saying());
  for (const type of telling) {
    const before = reports.all.length;
    marathon.tell(type);
    await reports.until(() => true, before);
  }
  const reads = marathon.listener.requests.length;
  for (const type of ['framework_message_event', 'event_stream_attached', 'deployment_info']) marathon.tell(type);
  marathon.tell('status_update_event');
  await reports.until(() => true, reports.all.length);
  t.is(marathon.listener.requests.length - reads, 3, 'info, apps and pods, once');
});

test('a thousand events make at most a few readings', async (t) => {
  const { marathon, reports } = await scene(t);
  marathon.put(app([task(1)]));
  await reports.until(saying(ONE));
  const reads = () => marathon.listener.requests.filter((one) => one.startsWith('GET /v2/apps')).length;
  const [before, started] = [reads(), performance.now()];
  for (let i = 0; i < 1_000; i += 1) marathon.tell('status_update_event', { taskId: `t.${i}` });
  marathon.put(app([task(1), task(2)]));
  await reports.until(saying(BOTH));
  t.true(reads() - before <= 2 + (performance.now() - started) / 200);
});

test('a stream that is cut in a record: everything is read again, and no stale app stays', async (t) => {
  const { marathon, reports } = await scene(t);
  marathon.put(app([task(1)]));
  await reports.until(saying(ONE));
  marathon.apps.clear();
  marathon.events.cut();
  await reports.until(saying(), reports.all.length - 1);
  t.true(reports.all.some(({ keepLast }) => keepLast));
});

test('an event that comes before what it tells of can be read: it is read once more, without another', async (t) => {
  const { marathon, reports } = await scene(t, { confirmMs: 300 });
  marathon.put(app([task(1)]));
  await reports.until(saying(ONE));
  marathon.lagMs = 60_000;
  const before = reports.all.length;
  marathon.put(app([task(1), task(2)]));
  await reports.until(saying(ONE), before);
  marathon.lagMs = 0;
  await reports.until(saying(BOTH), before);
  t.pass();
});

test('events doubled, in another order, or slow to be answered: what is read counts', async (t) => {
  const { marathon, reports } = await scene(t);
  marathon.slowMs = 20;
  marathon.events.disorder = 'doubled';
  marathon.put(app([task(1)]));
  await reports.until(saying(ONE));
  marathon.events.disorder = 'shuffled';
  marathon.put(app([]));
  for (const tasks of [[task(1)], [task(1), task(2)]]) marathon.put(app(tasks));
  await reports.until(saying(BOTH));
  t.pass();
});

test('another Marathon leads, and knows no result of its checks: no backend goes', async (t) => {
  const { marathon, reports } = await scene(t);
  const checked = (results: unknown) =>
    app([task(1, { healthCheckResults: results })], { healthChecks: [{ protocol: 'HTTP' }] });
  marathon.put(checked([{ alive: true }]));
  await reports.until(saying(ONE));
  const before = reports.all.length;
  marathon.store.put(checked(null));
  marathon.events.end();
  await reports.until(({ keepLast }) => keepLast !== true, before);
  t.true(reports.all.slice(before).every((report) => report.keepLast || saying(ONE)(report)));
});

test('silence ends a stream, a sign of life keeps it', async (t) => {
  const { reports } = await scene(t, { silenceMs: 200 });
  const silent = await reports.until(({ faults }) => faults[0]?.code === 'HTTP_UNREACHABLE');
  t.true(silent.keepLast);
  t.regex(silent.faults[0]?.object ?? '', /\/v2\/events$/);
  const lively = await scene(t, { silenceMs: 2_000, keepAliveMs: 50 });
  lively.marathon.put(app([task(1)]));
  await lively.reports.until(saying(ONE));
  t.false(lively.reports.all.some(({ keepLast }) => keepLast));
});

test('a standby sends the events on to the leader', async (t) => {
  const { marathon, reports } = await scene(t, { standby: true });
  await reports.until(saying());
  t.is(marathon.events.readers, 1);
});

test('an odd app hides no other, and its labels that make no VIP are known', async (t) => {
  const { marathon, reports } = await scene(t);
  marathon.put({ id: '/odd', portDefinitions: 'many' });
  marathon.put({ ...app([task(2)]), id: '/bad', portDefinitions: [{ labels: { VIP_0: 'bad' } }] });
  marathon.put(app([task(1)]));
  const report = await reports.until(saying(ONE));
  t.is(report.faults[0]?.object, 'app /odd');
  t.is(report.labels?.rejected[0]?.mended, 'bad:31002');
});

for (const [what, status, text] of [
  ['500', 500, 'oops'],
  ['502 of a proxy', 502, '<html>'],
  ['garbage', 200, 'garbage'],
  ['an object of another kind', 200, '{}'],
] as const) {
  test(`${what}: the last state stays, and it goes on afterwards`, async (t) => {
    const { marathon, reports } = await scene(t);
    marathon.put(app([task(1)]));
    await reports.until(saying(ONE));
    marathon.instead = (response) => sendText(response, status, text);
    marathon.listener.cut();
    const failed = await reports.until(
      ({ keepLast, faults }) =>
        keepLast === true && /HTTP_STATUS|ANSWER_INVALID|STREAM_ENDED/.test(faults[0]?.code ?? ''),
    );
    t.is(failed.services.length, 0);
    marathon.instead = undefined;
    marathon.put(app([task(1), task(2)]));
    await reports.until(saying(BOTH));
  });
}
