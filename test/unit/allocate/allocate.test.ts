import test from 'ava';
import fc from 'fast-check';
import { type AllocateOptions, Allocator, shippedNames } from '../../../ts/allocate/allocate.js';
import { parseRange } from '../../../ts/allocate/range.js';
import type { DeclaredService, ServiceDefinition } from '../../../ts/model/service.js';

function service(name: string, vip: string | number, ...backends: readonly string[]): DeclaredService {
  const [label = '', framework = ''] = String(vip).split('.');
  const frontend =
    typeof vip === 'number'
      ? { address: `11.0.0.${vip}`, port: 80, protocol: 'tcp' as const }
      : { name: { label, framework }, port: 80, protocol: 'tcp' as const };
  return { name, frontend, backends: backends.map((address) => ({ address, port: 8080, weight: 1 })) };
}

const small: AllocateOptions = { ...shippedNames, v4: parseRange('11.0.0.0-11.0.0.254') };

function allocate(options: AllocateOptions, ...services: readonly DeclaredService[]): readonly ServiceDefinition[] {
  return new Allocator(options).allocate([{ source: 'x', services }]).sets[0]!.services;
}

test('all ports of a name have one address; others keep theirs', (t) => {
  const web = service('web', 'abc.marathon', '10.0.0.1');
  const tls = {
    ...service('tls', 'abc.marathon', '10.0.0.1'),
    frontend: { ...web.frontend, port: 443 },
  } as DeclaredService;
  const plain = service('plain', 9, '10.0.0.2');
  const [first, second, third] = allocate(shippedNames, web, tls, plain);
  t.deepEqual(first!.frontend, { address: '11.159.183.112', port: 80, protocol: 'tcp' });
  t.deepEqual(second!.frontend, { address: '11.159.183.112', port: 443, protocol: 'tcp' });
  t.deepEqual(first!.vipName, { label: 'abc', framework: 'marathon' });
  t.is<unknown, unknown>(third, plain);
});

test('backends of both families make an IPv4 and an IPv6 VIP', (t) => {
  const services = allocate(shippedNames, service('q', 'qux.ipv6', '10.0.0.1', 'fd00::1', 'fd00::2'));
  t.deepEqual(
    services.map(({ name, frontend, backends }) => [name, frontend.address, backends.length]),
    [
      ['q', services[0]!.frontend.address, 1],
      ['q/ipv6', 'fd01:c::6d6d:9c64:fd19:f251', 2],
    ],
  );
  t.deepEqual(
    allocate(shippedNames, service('q', 'qux.ipv6', 'fd00::1')).map(({ name }) => name),
    ['q/ipv6'],
  );
});

test('a name without backends has an IPv4 address', (t) => {
  t.is(allocate(shippedNames, service('q', 'abc.marathon'))[0]!.frontend.address, '11.159.183.112');
});

test('an address that a service was given by hand is left to it', (t) => {
  const services = allocate(small, service('named', 'foo.marathon'), service('plain', 35));
  t.deepEqual(
    services.map(({ frontend }) => frontend.address),
    ['11.0.0.36', '11.0.0.35'],
  );
});

test('legacy addresses are one higher', (t) => {
  t.is(allocate({ ...small, legacy: true }, service('a', 'foo.marathon'))[0]!.frontend.address, '11.0.0.36');
});

test('a name that finds no address is reported by name, and its neighbours are served', (t) => {
  const options = { ...shippedNames, v4: parseRange('11.0.0.0/31') };
  const services = ['a.x', 'b.x', 'c.x'].map((vip) => service(vip[0]!, vip));
  const { sets, faults } = new Allocator(options).allocate([{ source: 's', services }]);
  t.is(sets[0]!.services.length, 2);
  t.deepEqual(
    faults.map(({ code, object }) => [code, /^service [abc]$/.test(object)]),
    [['NAMES_EXHAUSTED', true]],
  );
});

test('without a pool of its family a name is reported', (t) => {
  const { faults } = new Allocator({ v4: undefined, v6: undefined, legacy: false }).allocate([
    { source: 's', services: [service('a', 'a.x')] },
  ]);
  t.regex(faults[0]!.cause, /no IPv4 pool .*a\.x/);
});

test('what stays the same stays the same object', (t) => {
  const allocator = new Allocator(small);
  const kept = service('kept', 'foo.marathon', '10.0.0.1');
  const [before] = allocator.allocate([{ source: 's', services: [kept] }]).sets;
  const [after] = allocator.allocate([{ source: 's', services: [kept, service('new', 'bar.marathon')] }]).sets;
  t.is(after!.services[0], before!.services[0]);
});

test('two nodes that heard of the same names in any order, with any history, have the same table', (t) => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-h]{1,2}$/), { maxLength: 40 });
  const options = { ...shippedNames, v4: parseRange('11.0.0.0/26') };
  const table = (services: readonly ServiceDefinition[]) =>
    services.map(({ name, frontend }) => `${name} ${frontend.address}`).sort();
  fc.assert(
    fc.property(names, fc.array(names, { maxLength: 4 }), (final, history) => {
      const veteran = new Allocator(options);
      for (const known of history)
        veteran.allocate([{ source: 's', services: known.map((name) => service(name, `${name}.x`)) }]);
      const [seen] = veteran.allocate([
        { source: 's', services: final.map((name) => service(name, `${name}.x`)) },
      ]).sets;
      const fresh = allocate(options, ...final.toReversed().map((name) => service(name, `${name}.x`)));
      t.deepEqual(table(seen!.services), table(fresh));
    }),
  );
});

test('after any history of services that come, go and change, what is allocated is what their set alone gives', (t) => {
  const backends = [['10.0.0.1'], ['fd00::1'], ['10.0.0.1', 'fd00::1'], []];
  const named = ['a.x', 'b.x', 'c.x', 'd.x'].flatMap((vip) => backends.map((own) => service(vip, vip, ...own)));
  const given = ['11.0.0.1', '11.0.0.3'].map((address) => {
    const frontend = { address, port: 80, protocol: 'tcp' as const };
    return { ...service(address, 'z.x'), frontend };
  });
  const options = { ...shippedNames, v4: parseRange('11.0.0.0/30'), v6: parseRange('fd01:c::/126') };
  const sets = fc
    .shuffledSubarray([...named, ...given])
    .map((some) => [...new Map(some.map((one) => [one.name, one])).values()]);
  fc.assert(
    fc.property(fc.array(sets, { minLength: 2, maxLength: 8 }), (history) => {
      const veteran = new Allocator(options);
      for (const services of history) {
        const all = [{ source: 's', services }];
        t.deepEqual(veteran.allocate(all), new Allocator(options).allocate(all));
      }
    }),
  );
});
