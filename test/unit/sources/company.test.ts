import test from 'ava';
import type { BackendDefinition, DeclaredService } from '../../../ts/model/service.js';
import { failOpen, withOwnNames } from '../../../ts/sources/company.js';

const gone = (host: number): BackendDefinition => ({
  address: `10.0.0.${host}`,
  port: 80,
  weight: 1,
  origin: {
    node: 'b',
    verdict: { state: 'healthy', reason: 'node b: healthy', since: 1 },
    omitted: 'node b is unreachable',
  },
});
const here: BackendDefinition = { address: '10.0.0.9', port: 80, weight: 1 };
const service = (name: string, host: number, ...backends: readonly BackendDefinition[]): DeclaredService => ({
  name,
  frontend: { address: `11.0.0.${host}`, port: 80, protocol: 'tcp' },
  backends,
});

test('a VIP with a backend within reach loses those that are not', (t) => {
  const mixed = service('web', 1, gone(1), here);
  t.is(failOpen(mixed), mixed);
  const none = service('web', 1);
  t.is(failOpen(none), none);
});

test('a VIP without any keeps them all, saying why', (t) => {
  const lost = service('web', 1, gone(1), gone(2));
  const open = failOpen(lost);
  t.is(failOpen(lost), open, 'the same object each time');
  for (const { origin } of open.backends) {
    t.is(origin!.omitted, undefined);
    t.is(origin!.verdict!.state, 'healthy');
    t.regex(origin!.verdict!.reason, /^node b is unreachable, and so are all .*: kept$/);
  }
});

test('a service whose name is taken is told apart by its VIP', (t) => {
  const services = [service('web', 1), service('web', 2), service('db', 3)];
  const named = withOwnNames(services, new Set(['db']));
  t.deepEqual(
    named.map(({ name }) => name),
    ['web', 'web@tcp/11.0.0.2:80', 'db@tcp/11.0.0.3:80'],
  );
  t.is(withOwnNames(services, new Set(['db']))[1], named[1]);
});
