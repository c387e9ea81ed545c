import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { encodings } from '../../../ts/sources/mesos/encoding.js';
import { RecordIoDecoder } from '../../../ts/sources/mesos/recordio.js';
import type { MasterEvent } from '../../../ts/sources/mesos/wire.js';
import { MesosAgentSimulator } from '../../simulators/mesos-agent.js';
import { chunks, type MasterOptions, MesosMasterSimulator } from '../../simulators/mesos-master.js';
import { simulatedTask } from '../../simulators/tasks.js';
import { type Json, World } from '../../simulators/world.js';

/** What the simulated Mesos does as the real one, each peculiarity by itself, seen by a plain client. */

/** Heartbeats would be counted as events on a machine so slow that one comes; a test of them asks for its own. */
const QUIET_MS = 3_600_000;

async function simulated(t: ExecutionContext, options: MasterOptions = {}) {
  const world = new World();
  world.addFramework('F-1', 'marathon');
  for (const n of [1, 2]) world.addAgent({ id: `S${n}`, hostname: `10.0.0.${n}`, port: 5051 });
  for (const n of [1, 2]) launch(world, n);
  const master = new MesosMasterSimulator(world, { heartbeatMs: QUIET_MS, ...options });
  await master.listener.listen();
  t.teardown(() => master.close());
  return { world, master };
}

function launch(world: World, n: number, more: { framework?: string; healthy?: boolean } = {}): void {
  const ports = [{ number: 80, name: 'http', labels: { VIP_0: '/web:80' } }];
  world.launch(
    simulatedTask({ id: `t${n}`, agent: `S${n}`, addresses: [`10.0.0.${n}`], framework: 'F-1', ports, ...more }),
  );
}

interface Subscription {
  readonly events: MasterEvent[];
  /** Sizes of the pieces in which they came. */
  readonly pieces: number[];
  until(condition: (events: readonly MasterEvent[]) => boolean): Promise<void>;
  readonly ended: Promise<void>;
}

async function subscribe(
  t: ExecutionContext,
  { url }: MesosMasterSimulator,
  name: 'json' | 'protobuf' = 'json',
): Promise<Subscription> {
  const { contentType, call, decode } = encodings[name];
  const asking = request(`${url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': contentType, accept: contentType },
  });
  t.teardown(() => asking.destroy());
  asking.on('error', () => {}); // its own end
  asking.end(call);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  t.is(answer.headers['content-type'], contentType);
  const decoder = new RecordIoDecoder({ maxBytes: 1 << 26 });
  const [events, pieces]: [MasterEvent[], number[]] = [[], []];
  let arrived = () => {};
  const ended = new Promise<void>((resolve) => void answer.on('close', resolve));
  answer.on('error', () => {}); // its own end
  answer.on('data', (piece: Buffer) => {
    pieces.push(piece.length);
    events.push(...decoder.push(piece).map(decode));
    arrived();
  });
  return {
    events,
    pieces,
    ended,
    until: async (condition) => {
      while (!condition(events)) await new Promise<void>((resolve) => (arrived = resolve));
    },
  };
}

const idOf = (status: unknown) => (status as { task_id: { value: string } }).task_id.value;
const types = (events: readonly MasterEvent[]) => events.map(({ type }) => type);
const after = (events: readonly MasterEvent[]) => types(events.filter(({ type }) => type !== 'HEARTBEAT').slice(1));

for (const encoding of ['json', 'protobuf'] as const) {
  test(`quirk: records are cut anywhere, also in the line with their length (${encoding})`, async (t) => {
    const whole = await simulated(t);
    const wanted = await subscribe(t, whole.master, encoding);
    await wanted.until((events) => events.length >= 2);
    for (const way of ['bytes', 'random'] as const) {
      const { master } = await simulated(t, { chunk: chunks[way] });
      const stream = await subscribe(t, master, encoding);
      await stream.until((events) => events.length >= 2);
      t.deepEqual(stream.events, wanted.events);
      t.true(stream.pieces.length > wanted.pieces.length);
      t.true(stream.pieces[0]! < 4, 'inside the length');
    }
  });
}

test('quirk: a snapshot, a heartbeat at once, then one each interval until they are stopped', async (t) => {
  const { master } = await simulated(t, { heartbeatMs: 30 });
  const { events, until } = await subscribe(t, master);
  await until(() => events.length >= 4);
  t.deepEqual(types(events).slice(0, 3), ['SUBSCRIBED', 'HEARTBEAT', 'HEARTBEAT']);
  t.is(events[0]?.subscribed?.heartbeat_interval_seconds, 0.03);
  master.heartbeats = false;
  const other = await subscribe(t, master);
  await other.until(() => other.events.length >= 2); // the one at once is no beat
  const before = events.length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.is(events.length, before);
});

test('quirk: the tasks an agent brings are told before it is', async (t) => {
  const { world, master } = await simulated(t);
  const { events, until } = await subscribe(t, master);
  world.loseAgent('S2');
  world.addAgent({ id: 'S2', hostname: '10.0.0.2', port: 5051 });
  await until(() => types(events).includes('AGENT_ADDED'));
  t.deepEqual(after(events), ['TASK_UPDATED', 'AGENT_REMOVED', 'TASK_ADDED', 'AGENT_ADDED']);
});

test('quirk: after a fail-over there are recovered agents, and each brings its frameworks first, then tasks of unknown health', async (t) => {
  const { world, master } = await simulated(t);
  launch(world, 1, { healthy: true });
  for (const id of world.takeOver()) master.recovered.add(id);
  const { events, until } = await subscribe(t, master);
  await until(() => events.length >= 2);
  const state = events[0]?.subscribed?.get_state;
  t.deepEqual([state?.get_agents?.agents, state?.get_tasks?.tasks, state?.get_frameworks?.frameworks], [[], [], []]);
  t.deepEqual(
    state?.get_agents?.recovered_agents?.map((one) => (one as { id: { value: string } }).id.value),
    ['S1', 'S2'],
  );
  world.addAgent({ id: 'S1', hostname: '10.0.0.1', port: 5051 });
  world.addAgent({ id: 'S2', hostname: '10.0.0.2', port: 5051 });
  world.check('t1', true);
  await until(() => types(events).includes('TASK_UPDATED'));
  t.deepEqual(after(events), [
    'FRAMEWORK_ADDED',
    'TASK_ADDED',
    'AGENT_ADDED',
    'TASK_ADDED',
    'AGENT_ADDED',
    'TASK_UPDATED',
  ]);
  const healths = events.flatMap(({ task_added, task_updated }) => {
    const { statuses } = (task_added?.task ?? { statuses: [task_updated?.status] }) as { statuses: Json[] };
    return task_added || task_updated ? [statuses.at(-1)?.healthy] : [];
  });
  t.deepEqual(healths, [undefined, undefined, true]);
});

test('quirk: a turn of health is told without one of the state', async (t) => {
  const { world, master } = await simulated(t);
  const { events, until } = await subscribe(t, master);
  await until(() => events.length >= 2);
  world.check('t1', false);
  await until(() => events.length >= 3);
  const { status, state } = events[2]!.task_updated!;
  t.is(state, 'TASK_RUNNING');
  t.like(status, { state: 'TASK_RUNNING', healthy: false, reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED' });
});

test('quirk: the state is ahead of the one in its status', async (t) => {
  const { world, master } = await simulated(t);
  const { events, until } = await subscribe(t, master);
  await until(() => events.length >= 2);
  world.lateStatus = true;
  world.turn('t1', 'TASK_KILLING');
  await until(() => events.length >= 3);
  t.is(events[2]?.task_updated?.state, 'TASK_KILLING');
  t.like(events[2]?.task_updated?.status, { state: 'TASK_RUNNING' });
});

const JSON_CALL = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"type":"SUBSCRIBE"}' };

/** What is set, what is asked, and what is answered. */
const refusals: readonly (readonly [string, Partial<MesosMasterSimulator>, RequestInit, number, string])[] = [
  ['no leader elected', { busy: 'No leader elected' }, JSON_CALL, 503, 'No leader elected'],
  ['the master recovers', { busy: 'Master has not finished recovery' }, JSON_CALL, 503, 'Master has not finished'],
  ['not POST', {}, { method: 'GET' }, 405, "Expecting 'POST'"],
  ['no content type', {}, { method: 'POST' }, 400, "Expecting 'Content-Type'"],
  ['no call', {}, { ...JSON_CALL, body: '{' }, 400, 'Failed to parse'],
  ['another content type', {}, { ...JSON_CALL, headers: { 'content-type': 'text/plain' } }, 415, 'Unsupported'],
  [
    'nothing acceptable',
    {},
    { ...JSON_CALL, headers: { 'content-type': 'application/json', accept: 'text/html' } },
    406,
    'Not acceptable',
  ],
  ['no credentials', { guard: { authorization: 'token=x' } }, JSON_CALL, 401, 'Unauthorized'],
  ['no right', { guard: { forbidden: true } }, JSON_CALL, 403, 'Forbidden'],
  ['a call it does not know', {}, { ...JSON_CALL, body: '{"type":"GET_QUOTA"}' }, 501, 'GET_QUOTA is not implemented'],
];

for (const [what, settings, call, status, text] of refusals) {
  test(`quirk: ${what} is answered with ${status}`, async (t) => {
    const { master } = await simulated(t);
    Object.assign(master, settings);
    const answer = await fetch(`${master.url}/api/v1`, call);
    t.is(answer.status, status);
    t.true((await answer.text()).includes(text));
    if (status === 401) t.is(answer.headers.get('www-authenticate'), 'Basic realm="mesos-master-readonly"');
  });
}

test('quirk: a standby sends on to the leader by a location without a scheme', async (t) => {
  const { master } = await simulated(t);
  master.redirect = '//10.0.0.9:5050';
  const answer = await fetch(`${master.url}/api/v1`, { ...JSON_CALL, redirect: 'manual' });
  t.is(answer.status, 307);
  t.is(answer.headers.get('location'), '//10.0.0.9:5050/api/v1');
});

test('quirk: one subscriber too many closes the oldest: of 1,001 the first', async (t) => {
  const { master } = await simulated(t);
  t.is(master.maxSubscribers, 1_000);
  master.maxSubscribers = 2;
  const [first, second] = [await subscribe(t, master), await subscribe(t, master)];
  await subscribe(t, master);
  await first.ended;
  t.is(master.subscribers, 2);
  t.deepEqual(types(second.events), ['SUBSCRIBED', 'HEARTBEAT']);
});

test('quirk: tasks of an agent that cannot be reached are unreachable, of one that is given up gone for good', async (t) => {
  const { world, master } = await simulated(t);
  const { events, until } = await subscribe(t, master);
  world.loseAgent('S1');
  world.markGone('S2');
  world.markGone('S1');
  await until(() => after(events).length >= 5);
  t.deepEqual(after(events), ['TASK_UPDATED', 'AGENT_REMOVED', 'TASK_UPDATED', 'AGENT_REMOVED', 'TASK_UPDATED']);
  t.deepEqual(
    events.flatMap(({ task_updated }) => task_updated?.state ?? []),
    ['TASK_UNREACHABLE', 'TASK_GONE_BY_OPERATOR', 'TASK_GONE_BY_OPERATOR'],
  );
  t.is(world.tasks.size + world.agents.size, 0);
});

test('quirk: an agent answers for itself alone, and not while it starts', async (t) => {
  const { world } = await simulated(t);
  const agent = new MesosAgentSimulator(world, 'S1');
  await agent.listener.listen();
  t.teardown(() => agent.listener.close());
  world.launch(simulatedTask({ id: 'queued', agent: 'S1', addresses: [], state: 'TASK_STAGING' }));
  const ask = async (type: string) => {
    const answer = await fetch(`${agent.url}/api/v1`, { ...JSON_CALL, body: JSON.stringify({ type }) });
    return { status: answer.status, body: answer.ok ? ((await answer.json()) as Json) : await answer.text() };
  };
  const { get_state } = (await ask('GET_STATE')).body as { get_state: { get_tasks: Record<string, Json[]> } };
  const ids = (list: Json[]) => list.map(({ task_id }) => (task_id as { value: string }).value);
  t.deepEqual(ids(get_state.get_tasks.launched_tasks!), ['t1']);
  t.deepEqual(ids(get_state.get_tasks.queued_tasks!), ['queued']);
  t.like((await ask('GET_AGENT')).body, { get_agent: { agent_info: { id: { value: 'S1' }, hostname: '10.0.0.1' } } });
  const { get_containers } = (await ask('GET_CONTAINERS')).body as { get_containers: { containers: Json[] } };
  t.like(get_containers.containers[0], { executor_id: { value: 't1' }, framework_id: { value: 'F-1' } });
  t.is(get_containers.containers.length, 1);
  t.is((await ask('SUBSCRIBE')).status, 501, 'only masters have a stream');
  for (const status of [404, 503] as const) {
    agent.recovering = status;
    t.is((await ask('GET_STATE')).status, status);
  }
});

test('quirk: the document of before, ids without their boxes and ports as text, from the same tasks', async (t) => {
  const { world, master } = await simulated(t);
  world.launch(
    simulatedTask({
      id: 'p',
      agent: 'S1',
      addresses: [],
      framework: 'F-1',
      resources: [
        [31000, 31002],
        [31005, 31005],
      ],
    }),
  );
  const answer = await fetch(`${master.url}/master/state`);
  const { slaves, frameworks } = (await answer.json()) as { slaves: Json[]; frameworks: { tasks: Json[] }[] };
  t.like(slaves[0], { id: 'S1', pid: 'slave(1)@10.0.0.1:5051', active: true });
  t.like(frameworks[0]?.tasks[0], { id: 't1', slave_id: 'S1', framework_id: 'F-1', state: 'TASK_RUNNING' });
  t.deepEqual(frameworks[0]?.tasks[2]?.resources, { ports: '[31000-31002, 31005-31005]' });
});

test('quirk: what is not to be seen is left out, in snapshot and stream, and agents are seen all the same', async (t) => {
  const { world, master } = await simulated(t);
  world.addFramework('F-2', 'kafka');
  launch(world, 2, { framework: 'F-2' });
  master.view = new Set(['F-2']);
  const { events, until } = await subscribe(t, master);
  world.check('t1', false);
  world.addFramework('F-3', 'cassandra');
  world.check('t2', false);
  await until(() => after(events).length > 0);
  const state = events[0]?.subscribed?.get_state;
  const sizes = [state?.get_agents?.agents, state?.get_frameworks?.frameworks, state?.get_tasks?.tasks];
  t.deepEqual(
    sizes.map((list) => list?.length),
    [2, 1, 1],
  );
  t.deepEqual(after(events), ['TASK_UPDATED']);
  t.is(events.at(-1)?.task_updated?.framework_id.value, 'F-2');
});

test('quirk: 10,000 tasks on 1,000 agents in one snapshot, and 500 updates at once in their order', async (t) => {
  const { world, master } = await simulated(t);
  for (let n = 0; n < 1_000; n += 1) world.addAgent({ id: `M${n}`, hostname: `10.1.${n >> 8}.${n & 255}`, port: 5051 });
  for (let i = 0; i < 10_000; i += 1)
    world.launch(simulatedTask({ id: `m${i}`, agent: `M${i % 1_000}`, addresses: [], framework: 'F-1' }));
  const { events, until } = await subscribe(t, master, 'protobuf');
  await until(() => events.length >= 2);
  const state = events[0]?.subscribed?.get_state;
  t.is(state?.get_tasks?.tasks?.length, 10_002);
  t.is(state?.get_agents?.agents?.length, 1_002);
  for (let i = 0; i < 500; i += 1) world.check(`m${i}`, true);
  await until(() => events.length >= 502);
  t.deepEqual(
    events.slice(2).map(({ task_updated }) => idOf(task_updated?.status)),
    Array.from({ length: 500 }, (_, i) => `m${i}`),
  );
});
