import test from 'ava';
import { Complaints } from '../../../ts/cluster/gossip/complaints.js';
import { until } from '../../../ts/quickstart/until.js';

const fault = { code: 'X', object: 'peer', cause: 'rubbish' };

function complaints(lastMs?: number): { told: Map<string, number>; all: Complaints } {
  const told = new Map<string, number>();
  const all = new Complaints(
    (about, one) => void (one ? told.set(about, (told.get(about) ?? 0) + 1) : told.delete(about)),
    lastMs,
  );
  return { told, all };
}

test('a fault is told once, and taken back when it is over', (t) => {
  const { told, all } = complaints();
  all.about('a', fault);
  all.about('a', fault);
  t.deepEqual([...told], [['a', 1]]);
  all.over('b');
  all.over('a');
  t.is(told.size, 0);
  all.about('a', fault);
  t.is(told.size, 1);
  all.close();
});

test('what does not come again for a while is taken back', async (t) => {
  const { told, all } = complaints(20);
  all.about('a', fault);
  await until('the end', 60_000, () => told.size === 0);
  t.pass();
});

test('whoever has a new name every time fills no memory with them', (t) => {
  const { told, all } = complaints();
  for (let i = 0; i < 1000; i++) all.about(`a${i}`, fault);
  t.is(told.size, 32);
  all.over('a0');
  all.about('b', fault);
  t.true(told.has('b'));
  all.close();
});
