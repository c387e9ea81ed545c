import test from 'ava';
import type { PlaneEvent } from '../../../../ts/dataplane/dataplane.js';
import { countHeld } from '../../../../ts/dataplane/ebpf/fill.js';
import { FlowBits, FlowState } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import { Pressure } from '../../../../ts/dataplane/ebpf/pressure.js';

test('an alarm is raised at three quarters, told once, and cleared below 65 %', (t) => {
  const told: PlaneEvent[] = [];
  let used = 0;
  const pressure = new Pressure({
    look: () => [
      { table: 'flows', used, limit: 100 },
      { table: 'exact_flows', used: 0, limit: 100 },
    ],
    tell: (event) => told.push(event),
  });
  const looked = [74, 75, 66, 74, 80, 65, 64, 70, 75].map((now) => {
    used = now;
    pressure.look();
    return pressure.tables.map(({ alarm }) => alarm);
  });
  t.deepEqual(
    looked.map(([flows]) => flows),
    [false, true, true, true, true, true, false, false, true],
  );
  t.true(looked.every(([, exact]) => exact === false));
  t.deepEqual(
    told.map(({ kind, fill }) => [kind, fill?.table, fill?.used]),
    [
      ['table-alarm', 'flows', 75],
      ['table-clear', 'flows', 64],
      ['table-alarm', 'flows', 75],
    ],
  );
});

test('what cannot be read leaves the last known, and is told once', (t) => {
  const warned: unknown[] = [];
  let fails = false;
  const look = () => {
    if (fails) throw new Error('no such map');
    return [{ table: 'flows', used: 80, limit: 100 }];
  };
  const logger = { warn: (what: unknown) => warned.push(what), info: () => {} };
  const pressure = new Pressure({ look, tell: () => {}, logger: logger as never });
  pressure.look();
  fails = true;
  for (let i = 0; i < 3; i += 1) pressure.look();
  t.like(pressure.tables[0], { used: 80, alarm: true });
  t.is(warned.length, 2, 'the alarm, and that it cannot be read');
});

test('only established flows of the last two hours hold their place', (t) => {
  const clock = { ticks: 1_000_000_000, hz: 100 };
  const now = (clock.ticks >>> 11) & 1023;
  const flow = (state: number, idle: number) => [
    (((now - idle) & 1023) | (state << FlowBits.FLOW_STATE_SHIFT) | (7 << FlowBits.FLOW_BACKEND_SHIFT)) >>> 0,
    0x10,
  ];
  const established = FlowState.FLOW_ESTABLISHED;
  t.is(countHeld(Uint32Array.from([0, 0, ...flow(established, 0), ...flow(established, 440)]), clock), 2);
  t.is(countHeld(Uint32Array.from(flow(established, 441)), clock), 0);
  for (const state of [FlowState.FLOW_NEW, FlowState.FLOW_REPLIED, FlowState.FLOW_CLOSING]) {
    t.is(countHeld(Uint32Array.from(flow(state, 0)), clock), 0);
  }
});
