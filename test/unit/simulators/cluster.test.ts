import test, { type ExecutionContext } from 'ava';
import { until } from '../../../ts/quickstart/until.js';
import { Cluster } from '../../simulators/cluster.js';
import type { Place } from '../../simulators/driver.js';
import { play, quirks } from '../../simulators/quirks.js';
import type { Json, MasterEvent } from '../../simulators/world.js';

/** Two agents whose tasks are processes of this machine, in a network of their own addresses. */
const places = (network: number): readonly Place[] => {
  let given = 0;
  return [1, 2].map((n) => ({
    agent: `S${n}`,
    address: `127.${network}.1.${n}`,
    inside: (argv) => argv,
    own: () => {
      given += 1;
      return `127.${network}.2.${given}`;
    },
  }));
};

let networks = 20;

async function simulated(t: ExecutionContext) {
  networks += 1;
  const cluster = await Cluster.start(places(networks), { address: '127.0.0.1', graceMs: 50, clock: 100 });
  t.teardown(() => cluster.close());
  const events: MasterEvent[] = [];
  cluster.world.on('event', (event) => events.push(event));
  const deploy = async (app: Json) => {
    cluster.marathon.put({ id: '/web', ...app });
    await cluster.driver.settle('/web');
    return cluster.driver.of('/web');
  };
  return { cluster, events, deploy };
}

const host = {
  networks: [{ mode: 'host' }],
  portDefinitions: [{ port: 0, name: 'http', labels: { VIP_0: '/web:80' } }],
};
const page = (socket = '') => fetch(`http://${socket.split('/')[0]}/`).then((answer) => answer.text());
const failing = (socket = '', path = '') =>
  fetch(`http://${socket.split('/')[0]}/status/503${path && `?path=${path}`}`, { method: 'POST' });
const states = (events: readonly MasterEvent[]) =>
  events.flatMap(({ task_updated }) => (task_updated as { state?: string } | undefined)?.state ?? []);
const shown = async ({ marathon }: Cluster) => {
  const answer = await fetch(`${marathon.url}/v2/apps?embed=apps.tasks&embed=apps.readiness`);
  const { apps } = (await answer.json()) as { apps: (Json & { tasks: Json[] })[] };
  return apps[0]!;
};

test('quirk: a task is a process: it answers from TASK_RUNNING on, and is reachable no more after TASK_KILLED', async (t) => {
  const { cluster, events, deploy } = await simulated(t);
  const [task] = await deploy({ ...host, instances: 1 });
  const [socket] = task!.placement.sockets;
  t.is((await page(socket)).trim(), task!.id);
  await cluster.driver.kill(task!.id);
  t.deepEqual(states(events), ['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']);
  await t.throwsAsync(page(socket));
});

test('quirk: a process that dies is TASK_FAILED, and another takes its place', async (t) => {
  const { cluster, events, deploy } = await simulated(t);
  const [task] = await deploy({ ...host, instances: 1 });
  play(cluster, ['crash', task!.id]);
  const next = await until('another', 10_000, () => cluster.driver.of('/web').find(({ id }) => id !== task!.id));
  await cluster.driver.settle('/web');
  t.true(states(events).includes('TASK_FAILED'));
  t.is((await page(next.placement.sockets[0])).trim(), next.id);
});

test('quirk: networks: ports of the host, ports mapped to an address of the task, and that address alone', async (t) => {
  const { cluster, deploy } = await simulated(t);
  const labels = { VIP_0: '/web:80' };
  const container = (portMapping: object) => ({
    type: 'MESOS',
    portMappings: [{ containerPort: 8080, labels, ...portMapping }],
  });
  const [mapped] = await deploy({ networks: [{ mode: 'container/bridge' }], container: container({ hostPort: 0 }) });
  const [outside, inside] = mapped!.placement.sockets;
  t.regex(outside!, new RegExp(`^${mapped!.place.address}:${mapped!.placement.hostPorts[0]}/tcp$`));
  t.regex(inside!, /\.2\.1:8080\/tcp$/);
  for (const socket of [inside, outside]) t.is((await page(socket)).trim(), mapped!.id);
  const { message } = cluster.world.tasks.get(mapped!.id)!;
  t.like(message.discovery, { ports: { ports: [{ number: mapped!.placement.hostPorts[0], protocol: 'tcp' }] } });
  t.like(message.container, { type: 'MESOS', network_infos: [{ port_mappings: [{ container_port: 8080 }] }] });
  const networksOf = [{ mode: 'container', name: 'dcos' }];
  const own = (await deploy({ networks: networksOf, container: container({}) })).find(({ id }) => id !== mapped!.id);
  t.deepEqual([own?.placement.hostPorts, own?.placement.sockets.length], [[], 1]);
  t.is((await page(own?.placement.sockets[0])).trim(), own!.id);
});

test('quirk: health is what real probes find, and an instance that fails too often is replaced', async (t) => {
  const { cluster, events, deploy } = await simulated(t);
  const healthChecks = [{ protocol: 'MESOS_HTTP', path: '/', intervalSeconds: 2, maxConsecutiveFailures: 3 }];
  const [task] = await deploy({ ...host, instances: 1, healthChecks });
  const health = () => events.flatMap(({ task_updated }) => (task_updated as { status?: Json })?.status?.healthy ?? []);
  await until('a passed check', 10_000, () => health().at(-1) === true);
  t.like((await shown(cluster)).tasks[0], { healthCheckResults: [{ alive: true, consecutiveFailures: 0 }] });
  await failing(task!.placement.sockets[0]);
  await until('a failed one', 10_000, () => health().includes(false));
  await until('a replacement', 10_000, () => cluster.driver.of('/web').every(({ id }) => id !== task!.id));
  t.deepEqual(
    states(events).filter((state) => state.startsWith('TASK_KILL')),
    ['TASK_KILLING', 'TASK_KILLED'],
  );
});

test("quirk: results of Marathon's own checks are not told to Mesos, and a change of leader forgets them", async (t) => {
  const { cluster, events, deploy } = await simulated(t);
  const healthChecks = [{ protocol: 'HTTP', path: '/', intervalSeconds: 6_000 }];
  await deploy({ ...host, instances: 1, healthChecks });
  const results = async () => (await shown(cluster)).tasks[0]?.healthCheckResults as Json[];
  await until('a result', 10_000, async () => (await results())[0]?.alive === true);
  cluster.failOverMarathon();
  t.deepEqual(await results(), []);
  t.is(cluster.marathons[0].leader, cluster.marathon);
  t.false(events.some(({ task_updated }) => 'healthy' in ((task_updated as { status?: Json })?.status ?? {})));
});

test('quirk: a rolling replacement keeps as many good as its minimumHealthCapacity says, and waits until new ones are ready', async (t) => {
  const { cluster, deploy } = await simulated(t);
  const rules = {
    upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 },
    readinessChecks: [{ name: 'ready', path: '/ready', portName: 'http', intervalSeconds: 1 }],
  };
  const before = await deploy({ ...host, ...rules, instances: 4 });
  const good = () => cluster.driver.of('/web').filter(({ good, ending }) => good && !ending).length;
  let [least, most, unready] = [4, 4, false];
  cluster.world.on('event', () => {
    least = Math.min(least, good());
    most = Math.max(most, cluster.driver.of('/web').filter(({ ending }) => !ending).length);
    unready ||= cluster.driver.of('/web').some(({ ready }) => !ready);
  });
  const after = await deploy({ ...rules, env: { READY_AFTER_MS: '200' } });
  t.deepEqual([least, most, unready], [2, 4, true]);
  t.is(after.length, 4);
  t.true(after.every(({ id }) => !before.some((one) => one.id === id)));
  t.like((await shown(cluster)).readinessCheckResults, [
    { ready: true },
    { ready: true },
    { ready: true },
    { ready: true },
  ]);
});

test('quirk: tasks are killed, and their app is scaled down by that or not', async (t) => {
  const { cluster, deploy } = await simulated(t);
  const [first] = await deploy({ ...host, instances: 2 });
  const kill = async (id: string, query: string) => {
    const body = JSON.stringify({ ids: [id] });
    await fetch(`${cluster.marathon.url}/v2/tasks/delete${query}`, { method: 'POST', body });
    await until('its end', 10_000, () => !cluster.driver.running.has(id));
    await cluster.driver.settle('/web');
    return cluster.driver.of('/web');
  };
  const left = await kill(first!.id, '?scale=true');
  t.is(left.length, 1);
  const again = await kill(left[0]!.id, '');
  t.deepEqual([again.length, again[0]?.id === left[0]?.id], [1, false]);
});

test('quirk: an agent is lost, comes back with what still runs there, and is given up', async (t) => {
  const { cluster, events, deploy } = await simulated(t);
  const [task] = await deploy({ ...host, instances: 1 });
  await cluster.driver.lose(task!.place.agent);
  t.deepEqual(
    cluster.driver.of('/web').map(({ place }) => place.agent === task!.place.agent),
    [false],
  );
  t.is((await page(task!.placement.sockets[0])).trim(), task!.id, 'it does not know that it is lost');
  await cluster.driver.regain(task!.place.agent);
  t.is(cluster.driver.of('/web').length, 1);
  const [left] = cluster.driver.of('/web');
  await cluster.driver.gone(left!.place.agent);
  t.true(states(events).includes('TASK_GONE_BY_OPERATOR'));
  t.deepEqual(
    cluster.driver.of('/web').map(({ place }) => place.agent === left!.place.agent),
    [false],
  );
});

/** What each is tried with; those that are not here take no words. */
const words: Readonly<Record<string, readonly string[]>> = {
  ...{
    failover: ['1'],
    busy: ['off'],
    babble: ['nonsense'],
    heartbeats: ['off'],
    chunks: ['random'],
    subscribers: ['9'],
  },
  ...{
    late: ['on'],
    view: ['F-0001'],
    auth: ['off'],
    forbid: ['off'],
    recovering: ['S1', '503'],
    agent: ['S1', '500'],
  },
  ...{ lose: ['S1'], regain: ['S1'], gone: ['S1'], tasks: ['10'], storm: ['100', '0.1'], check: ['TASK', 'fail'] },
  ...{
    kill: ['TASK'],
    crash: ['TASK'],
    marathon: ['500'],
    slow: ['10'],
    lag: ['10'],
    events: ['lost'],
    notation: ['old'],
  },
};

test('every quirk can be had by hand, and what is none is named with what would be', async (t) => {
  const { cluster, deploy } = await simulated(t);
  await deploy({ ...host, instances: 2 });
  for (const { usage } of quirks) {
    const [name = ''] = usage.split(' ');
    await until('a task', 10_000, () => cluster.driver.running.size > 0);
    const [task = ''] = cluster.driver.running.keys();
    t.notThrows(
      () => play(cluster, [name, ...(words[name] ?? []).map((word) => (word === 'TASK' ? task : word))]),
      name,
    );
  }
  for (const [wrong, hint] of [
    [['leap'], 'one of failover, '],
    [['lose', 'S9'], 'one of S1, S2'],
    [['chunks', 'big'], 'one of whole, bytes, random'],
  ] as const) {
    t.throws(() => play(cluster, wrong), { message: new RegExp(hint) });
  }
});
