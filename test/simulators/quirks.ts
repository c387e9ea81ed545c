import type { ServerResponse } from 'node:http';
import { VipdError } from '../../ts/util/errors.js';
import type { Cluster } from './cluster.js';
import type { Disorder } from './event-stream.js';
import { sendText } from './http.js';
import type { MesosAgentSimulator } from './mesos-agent.js';
import { chunks } from './mesos-master.js';
import { simulatedTask } from './tasks.js';

/** What can be done to a simulated cluster by hand, that real ones do by themselves. */
export interface Quirk {
  /** Its name and what it takes: `lose AGENT`. */
  readonly usage: string;
  readonly does: string;
  run(cluster: Cluster, ...words: readonly string[]): unknown;
}

const quirk = (usage: string, does: string, run: Quirk['run']): Quirk => ({ usage, does, run });

const on = (word = 'on'): boolean => oneOf('on or off', { on: true, off: false }, word);

function oneOf<T>(what: string, choices: Readonly<Record<string, T>>, word = ''): T {
  if (Object.hasOwn(choices, word)) return choices[word]!;
  const known = Object.keys(choices).join(', ');
  throw new VipdError({ code: 'USAGE_INVALID', object: word, cause: `is no ${what}`, hint: `one of ${known}` });
}

function agentOf({ agents }: Cluster, id = ''): MesosAgentSimulator {
  return oneOf('agent', Object.fromEntries(agents.map((agent) => [agent.id, agent])), id);
}

function taskOf({ driver }: Cluster, id = ''): string {
  return oneOf('task that runs', Object.fromEntries([...driver.running.keys()].map((one) => [one, one])), id);
}

type Instead = ((response: ServerResponse) => unknown) | undefined;

/** What broken servers and proxies say. */
const answers: Readonly<Record<string, Instead>> = {
  ok: undefined,
  500: (response) => sendText(response, 500, 'Internal Server Error'),
  502: (response) => sendText(response, 502, '<html><h1>Bad Gateway</h1></html>'),
  garbage: (response) => sendText(response, 200, '<html>'),
  null: (response) => sendText(response, 200, 'null'),
  half: (response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{"apps":[');
    setImmediate(() => response.destroy());
  },
  endless: (response) => {
    const piece = Buffer.alloc(1 << 20, ' ');
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    response.writeHead(200);
    more();
  },
};

/** Phases in which a master or an agent that is reached does not answer. */
const phases: Readonly<Record<string, string | undefined>> = {
  off: undefined,
  election: 'No leader elected',
  recovery: 'Master has not finished recovery',
  agents: 'Agent has not finished recovery',
};

const disorders: Readonly<Record<string, Disorder>> = {
  none: 'none',
  lost: 'lost',
  doubled: 'doubled',
  shuffled: 'shuffled',
};

/** Made-up tasks, to see many: no process stands behind them. */
function addTasks({ world }: Cluster, count: number): void {
  const [...agents] = world.agents.values();
  for (let i = 0; i < count; i += 1) {
    const ports = [{ number: 8080, name: 'http', labels: { VIP_0: `/many${Math.floor(i / 10)}:80` } }];
    const spec = { id: `many.${i}`, name: `many${Math.floor(i / 10)}`, ports, checked: true, healthy: true };
    const addresses = [`10.88.${(i >> 7) & 255}.${(i & 127) + 1}`];
    world.launch(simulatedTask({ ...spec, agent: agents[i % agents.length]!.id, addresses }));
  }
}

/** So many turns of health a second, for some seconds, among the made-up tasks. */
function storm({ world }: Cluster, rate: number, seconds: number): void {
  const tasks = [...world.tasks.keys()].filter((id) => id.startsWith('many.'));
  if (tasks.length === 0)
    throw new VipdError({ code: 'USAGE_INVALID', object: 'storm', cause: 'wants `tasks N` first' });
  const started = performance.now();
  let told = 0;
  const timer = setInterval(() => {
    const due = Math.min(seconds, (performance.now() - started) / 1_000) * rate;
    for (; told < due; told += 1) world.check(tasks[(told * 7919) % tasks.length]!, told % 2 === 1);
    if (told >= seconds * rate) clearInterval(timer);
  }, 10);
}

const masters = ({ masters }: Cluster) => masters;

/** Those of Mesos: the master's stream and who may see what, agents, tasks. */
const mesos: readonly Quirk[] = [
  quirk('failover [MS]', 'the other master leads; agents register with it one by one, MS apart', (c, ms = '300') =>
    c.failOver(Number(ms)),
  ),
  quirk('busy election|recovery|agents|off', 'the leading master answers 503', (c, why) => {
    c.master.busy = oneOf('phase', phases, why);
    if (c.master.busy !== undefined) c.master.drop();
  }),
  quirk('drop', 'the leading master ends its streams', (c) => c.master.drop()),
  quirk('cut', 'every connection of the leading master breaks, in the middle of a record', (c) => {
    c.master.babble(Buffer.from('1000\n{"type":"TASK_'));
    setTimeout(() => c.master.listener.cut(), 20);
  }),
  quirk('babble TEXT', 'the leading master says something that is no record', (c, ...text) =>
    c.master.babble(Buffer.from(`${text.join(' ')}\n`)),
  ),
  quirk('heartbeats on|off', 'whether masters send heartbeats', (c, word) => {
    for (const master of masters(c)) master.heartbeats = on(word);
  }),
  quirk('chunks whole|random|bytes', 'where records are cut on their way', (c, word) => {
    for (const master of masters(c)) master.chunk = oneOf('way to cut', chunks, word);
  }),
  quirk('subscribers N', 'one more than N closes the oldest', (c, n = '1000') => {
    for (const master of masters(c)) master.maxSubscribers = Number(n);
  }),
  quirk('late on|off', 'updates whose status still says the state before', (c, word) => {
    c.world.lateStatus = on(word);
  }),
  quirk('view all|nothing|FRAMEWORK_ID…', 'what callers have the right to see', (c, first = 'all', ...others) => {
    const ids = first === 'nothing' ? [] : [first, ...others];
    for (const master of masters(c)) master.view = first === 'all' ? 'all' : new Set(ids);
    c.master.drop();
  }),
  quirk('auth HEADER|off', '401 to who does not send this Authorization header', (c, ...words) => {
    const text = words.join(' ');
    const guard = text === 'off' ? {} : { authorization: text };
    for (const one of [...c.masters, ...c.agents, ...c.marathons]) one.guard = guard;
    c.master.drop();
    c.marathon.events.end();
  }),
  quirk('forbid on|off', '403 to everybody', (c, word) => {
    for (const one of [...c.masters, ...c.agents]) one.guard = { forbidden: on(word) };
    c.master.drop();
  }),
  quirk('recovering AGENT 503|404|off', 'an agent that is starting', (c, id, word) => {
    agentOf(c, id).recovering = oneOf('answer', { 503: 503, 404: 404, off: false } as const, word);
  }),
  quirk('agent AGENT ok|500|502|garbage|null|half|endless', 'what an agent answers', (c, id, word) => {
    agentOf(c, id).instead = oneOf('answer', answers, word);
  }),
  quirk('lose AGENT', 'an agent cannot be reached: TASK_UNREACHABLE, AGENT_REMOVED', (c, id) => {
    void c.driver.lose(agentOf(c, id).id);
  }),
  quirk('regain AGENT', 'it registers again: TASK_ADDED, then AGENT_ADDED', (c, id) => {
    void c.driver.regain(agentOf(c, id).id);
  }),
  quirk('gone AGENT', 'an operator gives it up: TASK_GONE_BY_OPERATOR', (c, id) => {
    void c.driver.gone(agentOf(c, id).id);
  }),
  quirk('kill TASK', 'TASK_KILLING, then after its grace TASK_KILLED', (c, id) => {
    const { app } = c.driver.running.get(taskOf(c, id))!;
    void Promise.all([c.driver.kill(taskOf(c, id)), c.driver.settle(app)]);
  }),
  quirk('crash TASK', 'its process ends by SIGKILL', (c, id) => {
    c.driver.running.get(taskOf(c, id))!.child.kill('SIGKILL');
  }),
  quirk('check TASK pass|fail', 'a turn of health without one of the state', (c, id, word) => {
    c.world.check(taskOf(c, id), oneOf('outcome', { pass: true, fail: false }, word));
  }),
  quirk('odd', 'a task that cannot be read', ({ world, agents }) => {
    const task = simulatedTask({ id: 'odd', agent: agents[0]!.id, addresses: [] });
    world.launch({ ...task, message: { ...task.message, discovery: { ports: 'many' } } });
  }),
  quirk('tasks N', 'so many tasks more, without processes', (c, n) => addTasks(c, Number(n))),
  quirk('storm RATE [SECONDS]', 'so many updates a second among those', (c, rate, seconds = '10') =>
    storm(c, Number(rate), Number(seconds)),
  ),
];

/** Those of Marathon: its answers, its events, its leader. */
const marathon: readonly Quirk[] = [
  quirk('marathon-failover', 'the other Marathon leads; what checks had found is forgotten', (c) =>
    c.failOverMarathon(),
  ),
  quirk('marathon ok|500|502|garbage|null|half|endless', 'what Marathon answers', (c, word) => {
    for (const one of c.marathons) one.instead = oneOf('answer', answers, word);
  }),
  quirk('slow MS', 'so long until Marathon answers', (c, ms) => {
    for (const one of c.marathons) one.slowMs = Number(ms);
  }),
  quirk('lag MS', 'so long after an event until /v2/apps shows what it told of', (c, ms) => {
    for (const one of c.marathons) one.lagMs = Number(ms);
  }),
  quirk('events none|lost|doubled|shuffled', 'the disorder in which events arrive', (c, word) => {
    for (const one of c.marathons) one.events.disorder = oneOf('disorder', disorders, word);
  }),
  quirk('events-cut', 'the stream of events breaks', (c) => c.marathon.events.cut()),
  quirk('notation new|old', 'apps described as from Marathon 1.5 on, or as before', (c, word) => {
    c.marathon.store.notation = oneOf('notation', { new: 'new', old: 'old' } as const, word);
    c.marathon.tell('group_change_success');
  }),
];

export const quirks: readonly Quirk[] = [...mesos, ...marathon];

/** Does what the words say. @throws VipdError USAGE_INVALID */
export function play(cluster: Cluster, [name, ...words]: readonly string[]): void {
  const named = Object.fromEntries(quirks.map((one) => [one.usage.split(' ')[0]!, one]));
  oneOf('quirk', named, name).run(cluster, ...words);
}
