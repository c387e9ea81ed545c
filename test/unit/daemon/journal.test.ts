import test from 'ava';
import type { Event } from '../../../ts/api/routes/traffic.js';
import { Journal } from '../../../ts/daemon/journal.js';
import { transitions } from '../../../ts/daemon/transitions.js';
import type { BackendState } from '../../../ts/model/status.js';
import type { DesiredVip } from '../../../ts/reconcile/desired.js';

const event = (at: number): Event => ({ at, kind: 'refused' });

test('the journal keeps the newest events, oldest first', (t) => {
  const journal = new Journal({ capacity: 3 });
  for (let at = 0; at < 20; at++) {
    journal.add(event(at));
    const expected = [at - 2, at - 1, at].filter((one) => one >= 0);
    t.deepEqual(
      journal.recent().map((one) => one.at),
      expected,
    );
  }
});

test('whoever has unsubscribed hears nothing more', (t) => {
  const journal = new Journal({ capacity: 3 });
  const heard: number[] = [];
  const unsubscribe = journal.subscribe(({ at }) => void heard.push(at));
  journal.add(event(1));
  unsubscribe();
  journal.add(event(2));
  t.deepEqual(heard, [1]);
});

const row = (...states: BackendState[]): DesiredVip => ({
  key: 'tcp/11.0.0.1:80',
  name: 'a',
  source: 'file',
  frontend: { protocol: 'tcp', address: '11.0.0.1', port: 80 },
  backends: states.map((state, i) => ({ address: '10.0.0.1', port: i + 1, weight: 1, state, reason: 'why', since: 0 })),
});

test('a backend that changes its state is an event, the others are not', (t) => {
  const events = transitions([row('active', 'active')], [row('active', 'down')], 7);
  t.deepEqual(events, [{ at: 7, kind: 'backend', vip: 'tcp/11.0.0.1:80', backend: '10.0.0.1:2', text: 'down: why' }]);
});

test('a service that is new, gone or untouched makes no event', (t) => {
  const same = row('active');
  t.deepEqual(transitions([], [same], 1), []);
  t.deepEqual(transitions([same], [], 1), []);
  t.deepEqual(transitions([same], [same], 1), []);
});
