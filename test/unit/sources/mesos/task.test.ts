import test from 'ava';
import { phaseOf, readTask } from '../../../../ts/sources/mesos/task.js';
import { readers, type TaskMessage } from '../../../../ts/sources/mesos/wire.js';
import { agentAddress, discovery, message, status } from './messages.js';

const taskOf = (task: TaskMessage) => readTask(task, { framework: 'marathon', agentAddress }).task;

test('states are running, killing, over, or still to come', (t) => {
  const phases = {
    running: ['RUNNING'],
    killing: ['KILLING'],
    terminal: ['FINISHED', 'FAILED', 'KILLED', 'LOST', 'ERROR', 'DROPPED', 'GONE', 'GONE_BY_OPERATOR'],
    preparing: ['STAGING', 'STARTING', 'UNREACHABLE', 'UNKNOWN', 'SOMETHING_NEW'],
  };
  for (const [phase, states] of Object.entries(phases)) {
    for (const state of states) t.is(phaseOf(`TASK_${state}`), phase as ReturnType<typeof phaseOf>, state);
  }
});

test("the task's own state is ahead of its status'", (t) => {
  t.is(taskOf(message({ state: 'TASK_KILLING' })).phase, 'killing');
});

test('the newest status counts, wherever it stands', (t) => {
  const statuses = [status(['10.0.0.2'], { timestamp: 2, healthy: false }), status(['10.0.0.1'], { healthy: true })];
  const { addresses, healthy } = taskOf(message({ statuses }));
  t.deepEqual(addresses, ['10.0.0.2']);
  t.is(healthy, false);
});

test('a check that has not been passed yet counts as failed, none as unknown', (t) => {
  t.is(taskOf(message()).healthy, undefined);
  t.like(taskOf(message({ health_check: {} })), { healthy: false, pending: true });
  t.false('pending' in taskOf(message({ health_check: {}, statuses: [status([], { healthy: false })] })));
  t.is(taskOf(message({ health_check: {}, statuses: [status([], { healthy: true })] })).healthy, true);
});

test('what can be read of addresses is read, in canonical form, each once', (t) => {
  const statuses = [status(['FD00:0::1', 'nonsense', '10.0.0.1', '', '10.0.0.1', '::ffff:10.0.0.2'])];
  t.deepEqual(taskOf(message({ statuses })).addresses, ['fd00::1', '10.0.0.1', '10.0.0.2']);
});

test("the name is that of the discovery information, else the task's, else its id", (t) => {
  t.is(taskOf(message({ discovery: discovery([], 'app2.dcos-101') })).name, 'app2.dcos-101');
  t.is(taskOf(message({ discovery: discovery([], '') })).name, 'app');
  t.is(taskOf(message({ name: '' })).name, 'app.1');
  t.true(taskOf(message({ discovery: discovery([]) })).discovery);
  t.false(taskOf(message()).discovery);
});

test('the runtime is that of the container', (t) => {
  t.is(taskOf(message()).runtime, 'mesos');
  t.is(taskOf(message({ container: {} })).runtime, 'mesos');
  t.is(taskOf(message({ container: { type: 'DOCKER' } })).runtime, 'docker');
  t.is(taskOf(message({ container: { type: 'MARTIAN' } })).runtime, 'unknown');
});

test('ports it was given are sorted; those that are none are left out', (t) => {
  const range = [
    { begin: 31005, end: 31006 },
    { begin: 31000, end: 31000 },
    { begin: 9, end: 3 },
    { begin: 0, end: 1e9 },
  ];
  t.deepEqual(
    taskOf(message({ resources: [{ name: 'ports', ranges: { range } }] })).resourcePorts,
    [31000, 31005, 31006],
  );
});

test('who lists more ports than there are is given no more than those', (t) => {
  const range = Array.from({ length: 1_000 }, () => ({ begin: 1, end: 65_535 }));
  t.is(taskOf(message({ resources: [{ name: 'ports', ranges: { range } }] })).resourcePorts.length, 65_535);
});

test('a message without the ids is not read, one with nothing else is', (t) => {
  const { task_id, framework_id, agent_id } = message();
  t.true(readers.task.Check({ task_id, framework_id, agent_id }));
  t.false(readers.task.Check({ task_id, framework_id }));
  t.false(readers.task.Check({ ...message(), discovery: { ports: { ports: [{ number: '80' }] } } }));
});
