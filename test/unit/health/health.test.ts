import test, { type ExecutionContext } from 'ava';
import type { Finding, Runner, Runners } from '../../../ts/health/check.js';
import { HealthMonitor } from '../../../ts/health/health.js';
import type { HealthCheck, ServiceDefinition } from '../../../ts/model/service.js';
import { mergeReports, type ServiceTable } from '../../../ts/model/table.js';
import { HandClock, settled } from './handclock.js';

const CHECK: HealthCheck = { kind: 'tcp', intervalMs: 1000, timeoutMs: 300, rise: 1, fall: 2 };

function service(name: string, hosts: readonly number[], health: HealthCheck | undefined = CHECK): ServiceDefinition {
  const backends = hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80, weight: 1 }));
  const frontend = { address: `11.0.0.${name.charCodeAt(0)}`, port: 80, protocol: 'tcp' as const };
  return { name, frontend, backends, ...(health ? { health } : {}) };
}

const table = (...services: readonly ServiceDefinition[]): ServiceTable => mergeReports([{ source: 'test', services }]);

/** A monitor whose checks the test answers. */
class Lab {
  readonly clock = new HandClock();
  readonly calls: string[] = [];
  /** By address; absent is a success, 'hang' never answers and ignores its abort. */
  readonly answers = new Map<string, Finding | 'hang'>();
  running = 0;
  mostRunning = 0;
  changes = 0;
  readonly monitor: HealthMonitor;

  constructor(t: ExecutionContext, concurrency = 100, pendingReady = false) {
    const runner: Runner = (_check, { address }) => this.#check(address);
    const runners: Runners = { tcp: runner, http: runner, command: runner };
    this.monitor = new HealthMonitor({ concurrency, pendingReady }, { clock: this.clock, runners });
    this.monitor.onChange(() => this.changes++);
    t.teardown(() => this.monitor.stop());
  }

  state(name: string, host: number): string | undefined {
    return this.monitor.verdict(name, `10.0.0.${host}:80`)?.state;
  }

  async #check(address: string): Promise<Finding> {
    this.calls.push(address);
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await settled();
    const answer = this.answers.get(address);
    if (answer === 'hang') return new Promise(() => {});
    this.running--;
    return answer;
  }
}

test('backends are checked at once, and then every interval', async (t) => {
  const lab = new Lab(t);
  lab.monitor.sync(table(service('a', [1, 2])));
  t.is(lab.state('a', 1), 'pending');
  await lab.clock.advance(10);
  t.deepEqual([lab.state('a', 1), lab.state('a', 2), lab.calls.length, lab.changes], ['healthy', 'healthy', 2, 2]);
  await lab.clock.advance(3000);
  t.deepEqual([lab.calls.length, lab.changes], [8, 2]);
});

test('what has not been checked yet counts as healthy where that is asked for, and no longer than until then', async (t) => {
  const lab = new Lab(t, 100, true);
  lab.answers.set('10.0.0.1', 'ECONNREFUSED');
  lab.monitor.sync(table(service('a', [1], { ...CHECK, fall: 2 })));
  t.is(lab.state('a', 1), 'healthy');
  t.is(lab.monitor.verdict('a', '10.0.0.1:80')!.reason, 'not checked yet; counts as ready until then');
  await lab.clock.advance(1010);
  t.is(lab.state('a', 1), 'unhealthy');
});

test('a service without a check has no verdict', async (t) => {
  const lab = new Lab(t);
  const { health: _, ...unchecked } = service('a', [1]);
  lab.monitor.sync(table(unchecked));
  await lab.clock.advance(2000);
  t.deepEqual([lab.state('a', 1), lab.monitor.revision('a'), lab.calls], [undefined, 0, []]);
});

test('failures take a backend out, a success brings it back, each time with a change', async (t) => {
  const lab = new Lab(t);
  lab.monitor.sync(table(service('a', [1])));
  await lab.clock.advance(10);
  lab.answers.set('10.0.0.1', 'ECONNREFUSED');
  await lab.clock.advance(1000);
  t.like(lab.monitor.verdict('a', '10.0.0.1:80'), { state: 'healthy', reason: 'tcp: ECONNREFUSED, 1 of 2 failures' });
  await lab.clock.advance(1000);
  t.like(lab.monitor.verdict('a', '10.0.0.1:80'), { state: 'unhealthy', reason: 'tcp: ECONNREFUSED, 2 of 2 failures' });
  lab.answers.delete('10.0.0.1');
  await lab.clock.advance(1000);
  t.deepEqual([lab.state('a', 1), lab.changes], ['healthy', 3]);
});

test('the revision moves with every verdict and reason, and rests otherwise', async (t) => {
  const lab = new Lab(t);
  lab.monitor.sync(table(service('a', [1])));
  await lab.clock.advance(10);
  const healthy = lab.monitor.revision('a');
  await lab.clock.advance(5000);
  t.is(lab.monitor.revision('a'), healthy);
  lab.answers.set('10.0.0.1', 'ECONNREFUSED');
  await lab.clock.advance(1000);
  t.not(lab.monitor.revision('a'), healthy);
});

test('a check that hangs is over at its timeout and hurts nobody', async (t) => {
  const lab = new Lab(t, 1);
  lab.answers.set('10.0.0.1', 'hang');
  lab.monitor.sync(table(service('a', [1, 2])));
  await lab.clock.advance(299);
  t.deepEqual([lab.state('a', 1), lab.state('a', 2)], ['pending', 'pending']);
  await lab.clock.advance(2);
  t.deepEqual([lab.monitor.verdict('a', '10.0.0.1:80')?.reason], ['tcp: no answer within 300 ms, 1 of 2 failures']);
  t.is(lab.state('a', 2), 'healthy');
  await lab.clock.advance(2000);
  t.deepEqual([lab.state('a', 1), lab.state('a', 2)], ['unhealthy', 'healthy']);
});

test('no more checks run at a time than allowed, and all have their turn', async (t) => {
  const lab = new Lab(t, 3);
  const hosts = Array.from({ length: 20 }, (_, i) => i + 1);
  lab.monitor.sync(table(service('a', hosts)));
  for (let i = 0; i < 20; i++) await lab.clock.advance(1);
  t.is(lab.mostRunning, 3);
  t.true(hosts.every((host) => lab.state('a', host) === 'healthy'));
});

test('unchanged checks keep their state across a sync; new ones begin, old ones end', async (t) => {
  const lab = new Lab(t);
  lab.monitor.sync(table(service('a', [1, 2])));
  await lab.clock.advance(10);
  const since = lab.monitor.verdict('a', '10.0.0.1:80')?.since;
  lab.monitor.sync(table({ ...service('a', [1, 3]), health: { ...CHECK } }));
  t.is(lab.monitor.verdict('a', '10.0.0.1:80')?.since, since);
  t.deepEqual([lab.state('a', 1), lab.state('a', 2), lab.state('a', 3)], ['healthy', undefined, 'pending']);
  await lab.clock.advance(10);
  t.deepEqual([lab.state('a', 3), lab.calls.length], ['healthy', 3]);
});

test('an edited check goes on from the verdict so far, and is run at once', async (t) => {
  const lab = new Lab(t);
  lab.monitor.sync(table(service('a', [1])));
  await lab.clock.advance(10);
  lab.monitor.sync(table(service('a', [1], { ...CHECK, intervalMs: 50 })));
  t.is(lab.state('a', 1), 'healthy');
  await lab.clock.advance(120);
  t.is(lab.calls.length, 4);
});

test('an edit while a check runs discards its finding', async (t) => {
  const lab = new Lab(t);
  lab.answers.set('10.0.0.1', 'hang');
  lab.monitor.sync(table(service('a', [1])));
  await settled();
  lab.answers.delete('10.0.0.1');
  lab.monitor.sync(table(service('a', [1], { ...CHECK, timeoutMs: 200 })));
  await lab.clock.advance(1);
  t.deepEqual([lab.state('a', 1), lab.calls.length], ['healthy', 2]);
});

test('a runner that throws is a failed check', async (t) => {
  const clock = new HandClock();
  const broken: Runner = () => {
    throw new Error('broken');
  };
  const monitor = new HealthMonitor(
    { concurrency: 1 },
    { clock, runners: { tcp: broken, http: broken, command: broken } },
  );
  monitor.sync(table(service('a', [1])));
  await clock.advance(1100);
  t.like(monitor.verdict('a', '10.0.0.1:80'), { state: 'unhealthy', reason: 'tcp: Error: broken, 2 of 2 failures' });
  await monitor.stop();
});

test('after a stop, or without its service, nothing is checked and nothing is waited for', async (t) => {
  const lab = new Lab(t);
  lab.answers.set('10.0.0.2', 'hang');
  lab.monitor.sync(table(service('a', [1, 2]), service('b', [3])));
  await lab.clock.advance(10);
  lab.monitor.sync(table(service('b', [3])));
  t.is(lab.state('a', 1), undefined);
  await lab.monitor.stop();
  const calls = lab.calls.length;
  await lab.clock.advance(10_000);
  t.deepEqual([lab.calls.length, lab.clock.waiting], [calls, 0]);
});
