import test from 'ava';
import type { DeclaredService } from '../../../ts/model/service.js';
import { type JoinableSet, join } from '../../../ts/sources/join.js';
import { service } from '../../contract/source.js';

const set = (source: string, joins: boolean, ...services: readonly DeclaredService[]): JoinableSet => ({
  source,
  joins,
  services,
});

const FILE = service('web', '11.0.0.80', '10.0.0.1');
const TASKS = service('11.0.0.80_80', '11.0.0.80', '10.0.0.2', '10.0.0.1');
const addresses = (one: DeclaredService | undefined) => one?.backends.map(({ address }) => address);

test('a VIP of a file and of tasks is one, with the backends of both and the name of the first', (t) => {
  const { sets, joint } = join([set('file', false, FILE), set('mesos', true, TASKS)]);
  t.deepEqual(
    sets.map(({ services }) => services.map(({ name }) => name)),
    [['web'], []],
  );
  t.deepEqual(addresses(sets[0]?.services[0]), ['10.0.0.1', '10.0.0.2']);
  t.deepEqual(joint, [{ vip: 'tcp/11.0.0.80:80', service: 'web', sources: ['file', 'mesos'] }]);
});

test('two that a person wrote are left to be a conflict', (t) => {
  const sets = [set('file', false, FILE), set('api', false, TASKS)];
  t.deepEqual(join(sets), { sets, joint: [] });
  const third = join([...sets, set('mesos', true, service('x', '11.0.0.81'))]);
  t.deepEqual(third.joint, []);
  t.is(third.sets[1]?.services.length, 1);
});

test('of a backend that several name, the first says the weight', (t) => {
  const drained = { ...TASKS, backends: TASKS.backends.map((one) => ({ ...one, weight: 0 })) };
  const { sets } = join([set('mesos', true, drained), set('marathon', true, FILE)]);
  t.deepEqual(
    sets[0]?.services[0]?.backends.map(({ weight }) => weight),
    [0, 0],
  );
});

test('backends of another family are left out of a VIP that is an address', (t) => {
  const v6 = { ...TASKS, backends: [{ address: 'fd00::1', port: 8080, weight: 1 }] };
  const { sets } = join([set('file', false, FILE), set('mesos', true, v6)]);
  t.deepEqual(addresses(sets[0]?.services[0]), ['10.0.0.1']);
});

test('what stays the same stays the same object', (t) => {
  const sets = [set('file', false, FILE), set('mesos', true, TASKS)];
  t.is(join(sets).sets[0]?.services[0], join(sets).sets[0]?.services[0]);
  const alone = [set('file', false, FILE), set('mesos', true)];
  t.is(join(alone).sets, alone);
});
