import test from 'ava';
import fc from 'fast-check';
import { NameBook, namesOf } from '../../../ts/model/names.js';
import type { Programmed, VipStatus } from '../../../ts/model/status.js';

const vipName = { label: 'web', framework: 'marathon' };

function row(address: string, port: number, programmed: Programmed): VipStatus {
  const frontend = { address, port, protocol: 'tcp' as const };
  return {
    key: `tcp/${address}:${port}`,
    name: `web${port}`,
    source: 's',
    frontend,
    vipName,
    backends: [],
    programmed,
  };
}

test('an address counts once one of its VIPs forwards', (t) => {
  const waiting = namesOf([row('11.0.0.1', 80, 'no'), row('11.0.0.1', 443, 'failed')]).get('web.marathon')!;
  t.is(waiting.v4, undefined);
  t.deepEqual(waiting.addresses, { 4: '11.0.0.1' });
  const serving = namesOf([row('11.0.0.1', 80, 'yes'), row('11.0.0.1', 443, 'failed')]).get('web.marathon')!;
  t.is(serving.v4, '11.0.0.1');
  t.deepEqual(
    serving.ports.map(({ port }) => port),
    [80, 443],
  );
});

test('the families of a name count each for itself', (t) => {
  const name = namesOf([row('11.0.0.1', 80, 'yes'), row('fd01:c::1', 80, 'no')]).get('web.marathon')!;
  t.deepEqual([name.v4, name.v6], ['11.0.0.1', undefined]);
  t.deepEqual(name.addresses, { 4: '11.0.0.1', 6: 'fd01:c::1' });
});

test('VIPs without a name are left out', (t) => {
  const { vipName: _, ...plain } = row('11.0.0.9', 80, 'yes');
  t.is(namesOf([plain]).size, 0);
});

test('after any history the names are those of the VIPs there are now, and who stays the same is the same object', (t) => {
  const rows = ['web', 'api', undefined].flatMap((label, i) =>
    (['yes', 'no'] as const).flatMap((programmed) =>
      ['11.0.0.1', 'fd01:c::1'].map((address) => {
        const { vipName: named, ...plain } = row(address, 80 + i, programmed);
        return label === undefined ? plain : { ...plain, vipName: { ...named!, label } };
      }),
    ),
  );
  const history = fc.array(fc.shuffledSubarray(rows), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(history, (steps) => {
      const book = new NameBook();
      for (const step of steps) {
        const names = book.of(step);
        t.deepEqual(names, namesOf(step));
        const again = book.of([...step]);
        for (const [name, entry] of names) t.is(again.get(name), entry);
      }
    }),
  );
});
