import test from 'ava';
import type { Task } from '../../../../ts/model/task.js';
import { agentOf } from '../../../../ts/sources/mesos/agents.js';
import { TaskBook } from '../../../../ts/sources/mesos/book.js';
import type { StatusMessage } from '../../../../ts/sources/mesos/wire.js';
import { agentAddress, discovery, message, port, status } from './messages.js';

const AGENT = { id: 'A-S0', address: agentAddress, port: 5051 };
const FRAMEWORK = { id: 'F-0001', name: 'marathon' };
const held = message({
  health_check: {},
  statuses: [status(['9.0.1.5'], { timestamp: 10, healthy: true })],
  discovery: discovery([port(8080, 'http', { VIP_0: '/web:80' })]),
});

function book(): TaskBook {
  const made = new TaskBook();
  made.setAgent(AGENT);
  made.setFramework(FRAMEWORK);
  made.put(held);
  return made;
}

const only = (of: TaskBook): Task | undefined => [...of.table({ masters: [] }).tasks.values()][0];

function updated(news: StatusMessage, state?: string): Task | undefined {
  const of = book();
  of.update('F-0001', { task_id: { value: 'app.1' }, ...news }, state);
  return only(of);
}

test('what an update does not say stays as it was: addresses, health, ports', (t) => {
  const before = only(book())!;
  const killing = updated({ state: 'TASK_KILLING', timestamp: 11 }, 'TASK_KILLING')!;
  t.is(killing.phase, 'killing');
  t.deepEqual([killing.addresses, killing.healthy, killing.ports], [before.addresses, true, before.ports]);
  const moved = updated({ ...status(['9.0.1.6']), timestamp: 11 })!;
  t.deepEqual([moved.addresses, moved.healthy], [['9.0.1.6'], true]);
});

test('a turn of health needs no turn of the state', (t) => {
  t.is(updated({ state: 'TASK_RUNNING', timestamp: 11, healthy: false }, 'TASK_RUNNING')?.healthy, false);
});

test("the update's own state is ahead of its status'", (t) => {
  t.is(updated({ state: 'TASK_RUNNING', timestamp: 11 }, 'TASK_KILLING')?.phase, 'killing');
  t.is(updated({ state: 'TASK_RUNNING', timestamp: 11 }, 'TASK_FINISHED'), undefined);
});

test('a status older than the one that is known says only what that does not', (t) => {
  const late = updated(
    { ...status(['9.0.1.9']), state: 'TASK_STARTING', timestamp: 9, healthy: false },
    'TASK_RUNNING',
  )!;
  t.deepEqual([late.addresses, late.healthy, late.phase], [['9.0.1.5'], true, 'running']);
});

test('a task unknown to whom it is told of makes none; one id under two frameworks is two tasks', (t) => {
  const of = book();
  of.update('F-0002', { task_id: { value: 'app.1' }, state: 'TASK_RUNNING' }, 'TASK_FINISHED');
  t.truthy(only(of));
  of.setFramework({ id: 'F-0002', name: 'other' });
  of.put({ ...held, framework_id: { value: 'F-0002' } });
  t.deepEqual(
    [...of.table({ masters: [] }).tasks.values()].map(({ framework }) => framework),
    ['marathon', 'other'],
  );
});

test('a task with something nested deeper than can be written down is taken as it is', (t) => {
  const of = book();
  let deep: unknown = 0;
  for (let i = 0; i < 100_000; i += 1) deep = [deep];
  of.put({ ...held, state: 'TASK_KILLING', executor: deep });
  of.put({ ...held, state: 'TASK_KILLING', executor: deep });
  t.is(only(of)?.phase, 'killing');
});

test('who leaves takes its tasks along: an agent, a framework', (t) => {
  const [lost, over] = [book(), book()];
  lost.removeAgent('A-S0');
  over.removeFramework('F-0001');
  t.deepEqual([only(lost), only(over)], [undefined, undefined]);
});

test('an agent is at its host name where that is an address, else where its process is', (t) => {
  const at = (hostname: string, pid?: string) => agentOf({ id: { value: 'S' }, hostname, port: 5051 }, pid)?.address;
  t.is(at('10.0.0.1', 'slave(1)@10.0.0.9:5051'), '10.0.0.1');
  t.is(at('agent.example', 'slave(1)@10.0.0.9:5051'), '10.0.0.9');
  t.is(at('agent.example', 'slave(1)@[fd00:0:0::9]:5051'), 'fd00::9');
  t.is(at('agent.example'), undefined);
});
