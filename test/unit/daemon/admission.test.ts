import test from 'ava';
import { admit, Pools } from '../../../ts/daemon/admission.js';
import { parsePrefix } from '../../../ts/model/address.js';
import type { ServiceDefinition } from '../../../ts/model/service.js';
import { mergeReports } from '../../../ts/model/table.js';

const service = (name: string, address: string): ServiceDefinition => ({
  name,
  frontend: { protocol: 'tcp', address, port: 80 },
  backends: [{ address: '10.0.0.1', port: 80, weight: 1 }],
});

const pools = new Pools([parsePrefix('11.0.0.0/8'), parsePrefix('fd01:c::/64')]);
const local = new Map([['11.0.0.2', 'eth0']]);
const table = (...services: ServiceDefinition[]) => mergeReports([{ source: 'file', services }]);

test('what can be served goes through as the same table', (t) => {
  const given = table(service('a', '11.0.0.1'), service('b', 'fd01:c::1'));
  const { table: admitted, refused } = admit(given, { local, pools, now: 1 });
  t.is(admitted, given);
  t.deepEqual(refused, []);
});

test('a VIP that is an address of the node is refused with its interface, the others are served', (t) => {
  const { table: admitted, refused } = admit(table(service('a', '11.0.0.1'), service('b', '11.0.0.2')), {
    local,
    pools,
    now: 5,
  });
  t.deepEqual([...admitted.services.keys()], ['a']);
  t.like(refused[0], { name: 'b', key: 'tcp/11.0.0.2:80', programmed: 'failed' });
  t.like(refused[0]?.fault, { code: 'VIP_LOCAL', object: 'service b' });
  t.regex(refused[0]?.fault?.cause ?? '', /11\.0\.0\.2 is an address of this node, on eth0/);
  t.like(refused[0]?.backends[0], { state: 'down', since: 5 });
});

test('a VIP outside the pools is refused: nothing would keep its packets on the node', (t) => {
  const { refused } = admit(table(service('a', '12.0.0.1')), { local, pools, now: 1 });
  t.like(refused[0]?.fault, { code: 'VIP_OUTSIDE_POOLS', object: 'service a' });
});

test('a refusal keeps the time at which it began', (t) => {
  const given = table(service('b', '11.0.0.2'));
  const first = admit(given, { local, pools, now: 5 });
  const second = admit(given, { local, pools, now: 9 }, first.refused);
  t.is(second.refused[0]?.backends[0]?.since, 5);
});
