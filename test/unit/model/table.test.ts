import test from 'ava';
import fc from 'fast-check';
import type { ServiceDefinition } from '../../../ts/model/service.js';
import { mergeReports, type ServiceTable } from '../../../ts/model/table.js';
import { service } from './arbitrary.js';

const define = (name: string, address: string, ...backends: string[]): ServiceDefinition => ({
  name,
  frontend: { address, port: 80, protocol: 'tcp' },
  backends: backends.map((one) => ({ address: one, port: 80, weight: 1 })),
});

const chosen = ({ services }: ServiceTable): Record<string, string> =>
  Object.fromEntries(
    [...services].map(([name, { definition, source }]) => [name, `${source} ${definition.frontend.address}`]),
  );

test('of one name the source of higher priority wins, and the other is told by name', (t) => {
  const table = mergeReports([
    { source: 'api', services: [define('web', '11.0.0.1')] },
    { source: 'file', services: [define('web', '11.0.0.2'), define('dns', '11.0.0.3')] },
  ]);
  t.deepEqual(chosen(table), { web: 'api 11.0.0.1', dns: 'file 11.0.0.3' });
  t.deepEqual(
    table.faults.map(({ code, object }) => [code, object]),
    [['NAME_DUPLICATE', 'service web']],
  );
  t.regex(table.faults[0]!.cause, /source file.*source api/);
});

test('of one VIP the source of higher priority wins', (t) => {
  const table = mergeReports([
    { source: 'api', services: [define('web', '11.0.0.1')] },
    { source: 'file', services: [define('old', '11.0.0.1')] },
  ]);
  t.deepEqual(chosen(table), { web: 'api 11.0.0.1' });
  t.is(table.faults[0]?.code, 'VIP_OVERLAP');
});

test('a backend that is the VIP of another service: the lower priority loses, whichever side it is', (t) => {
  const pointing = define('a', '11.0.0.1', '11.0.0.2');
  const target = define('b', '11.0.0.2', '10.0.0.1');
  const merge = (first: ServiceDefinition, second: ServiceDefinition): ServiceTable =>
    mergeReports([
      { source: 'x', services: [first] },
      { source: 'y', services: [second] },
    ]);
  t.deepEqual([...merge(pointing, target).services.keys()], ['a']);
  t.deepEqual([...merge(target, pointing).services.keys()], ['b']);
  t.is(merge(target, pointing).faults[0]?.code, 'BACKEND_LOOP');
});

test('unchanged definitions keep their entries', (t) => {
  const kept = define('a', '11.0.0.1');
  const first = mergeReports([{ source: 'x', services: [kept, define('b', '11.0.0.2')] }]);
  const second = mergeReports([{ source: 'x', services: [kept, define('b', '11.0.0.3')] }]);
  t.is(first.services.get('a'), second.services.get('a'));
});

const sets = fc.array(fc.array(service, { maxLength: 6 }), { maxLength: 3 });
const sourced = (list: readonly (readonly ServiceDefinition[])[]) =>
  list.map((services, i) => ({ source: `s${i}`, services }));

test('the order inside a set never matters', (t) => {
  fc.assert(
    fc.property(sets, fc.integer(), (list, seed) => {
      const turned = list.map((set) => {
        const cut = Math.abs(seed) % (set.length + 1);
        return [...set.slice(cut), ...set.slice(0, cut)].reverse();
      });
      t.deepEqual(mergeReports(sourced(turned)), mergeReports(sourced(list)));
    }),
  );
});

test('names and VIPs are unique, no backend is a VIP, and whoever is missing has a fault', (t) => {
  fc.assert(
    fc.property(sets, (list) => {
      const { services, faults } = mergeReports(sourced(list));
      const at = ({ protocol }: { protocol: string }, { address, port }: { address: string; port: number }): string =>
        `${protocol} ${address} ${port}`;
      const definitions = [...services.values()].map(({ definition }) => definition);
      const vips = new Set(definitions.map(({ frontend }) => at(frontend, frontend)));
      t.is(vips.size, definitions.length);
      t.true(definitions.every(({ frontend, backends }) => backends.every((one) => !vips.has(at(frontend, one)))));
      t.is(definitions.length + faults.length, list.flat().length);
    }),
  );
});

test('the table before saves work and changes nothing', (t) => {
  fc.assert(
    fc.property(sets, sets, service, (list, other, one) => {
      const before = mergeReports(sourced(list));
      const amended = list.map((set) =>
        set.map((old) => (old.name === one.name ? { ...one, frontend: old.frontend } : old)),
      );
      for (const next of [list, other, amended]) {
        t.deepEqual(mergeReports(sourced(next), before), mergeReports(sourced(next)));
      }
    }),
  );
});
