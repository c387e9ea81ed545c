import test from 'ava';
import fc from 'fast-check';
import { isProblem, isVipKey, readVipLabel } from '../../../ts/model/label.js';
import { dnsFragment } from '../../../ts/model/name.js';

const context = { framework: 'marathon', task: 'app2.dcos-101', port: 8080 };
const named = (label: string, port: number) => ({ name: { label, framework: 'marathon' }, port });

/** Value, and what it means. */
const good: readonly (readonly [string, object])[] = [
  ['/web:80', named('web', 80)],
  ['web:80', named('web', 80)],
  ['/dcos-101/app2:10000', named('dcos-101app2', 10000)],
  ['api.hello-world:80', named('api.hello-world', 80)],
  ['/path/to/svc.with.dots:1', named('pathtosvc.with.dots', 1)],
  ['1.2.3.4:5000', { address: '1.2.3.4', port: 5000 }],
  ['fd01:c::12:80', { address: 'fd01:c::12', port: 80 }],
  ['[fd01:c::12]:80', { address: 'fd01:c::12', port: 80 }],
  ['FD01:C:0::12:80', { address: 'fd01:c::12', port: 80 }],
  ['1.2.3:80', named('1.2.3', 80)],
  ['1.2.3.4.5:80', named('1.2.3.4.5', 80)],
  ['invalid-port::1234', named('invalid-port', 1234)],
  [' /web:80 ', named('web', 80)],
  ['web:65535', named('web', 65535)],
];

for (const [value, meaning] of good) {
  test(`"${value}" is understood`, (t) => t.deepEqual(readVipLabel(value, context) as object, meaning));
}

/** Value, code of what is wrong, and the mended form. */
const bad: readonly (readonly [string, string, string?])[] = [
  ['', 'LABEL_PORT_MISSING'],
  ['/web', 'LABEL_PORT_MISSING', '/web:8080'],
  ['/web:', 'LABEL_PORT_INVALID', '/web:8080'],
  ['/web:http', 'LABEL_PORT_INVALID', '/web:8080'],
  ['/web:0', 'LABEL_PORT_INVALID', '/web:8080'],
  ['/web:-1', 'LABEL_PORT_INVALID', '/web:1'],
  ['/web:+80', 'LABEL_PORT_INVALID', '/web:80'],
  ['/web:80/tcp', 'LABEL_PORT_INVALID', '/web:80'],
  ['/web:65536', 'LABEL_PORT_INVALID', '/web:8080'],
  ['/web:99999999999', 'LABEL_PORT_INVALID', '/web:8080'],
  [':80', 'LABEL_NAME_EMPTY', '/app2.dcos-101:80'],
  ['/:80', 'LABEL_NAME_EMPTY', '/app2.dcos-101:80'],
  ['/ü:80', 'LABEL_NAME_EMPTY', '/app2.dcos-101:80'],
  ['127.0.0.1:80', 'LABEL_ADDRESS_UNUSABLE'],
  ['ff02::1:80', 'LABEL_ADDRESS_UNUSABLE'],
  [`${'a.'.repeat(120)}b:80`, 'LABEL_NAME_LONG', `/${'a.'.repeat(31)}a:80`],
];

for (const [value, code, mended] of bad) {
  test(`"${value.slice(0, 40)}" is refused`, (t) => {
    const read = readVipLabel(value, context);
    t.true(isProblem(read));
    if (!isProblem(read)) return;
    t.is(read.code, code);
    t.is(read.mended, mended);
    t.not(read.reason, '');
  });
}

test('every mended form is understood', (t) => {
  const left = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('/web', '', '/', '1.2.3.4', '::1'));
  const right = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('', '0', '+80', '65536', 'http'));
  fc.assert(
    fc.property(left, right, fc.string(), (before, after, task) => {
      const read = readVipLabel(`${before}:${after}`, { ...context, task });
      if (!isProblem(read) || read.mended === undefined) return;
      const again = readVipLabel(read.mended, { ...context, task });
      // One mending may uncover the next, of the name; that one is final.
      const final = isProblem(again) && again.mended !== undefined ? readVipLabel(again.mended, context) : again;
      t.false(isProblem(final) && final.code !== 'LABEL_ADDRESS_UNUSABLE', `${before}:${after} → ${read.mended}`);
    }),
  );
});

test('a name that is understood is a name of the DNS', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 65535 }), (left, port) => {
      const read = readVipLabel(`${left}:${port}`, context);
      if (isProblem(read) || !('name' in read)) return;
      t.is(read.name.label, dnsFragment(left.trimStart()));
      t.not(read.name.label, '');
      t.is(read.port, port);
    }),
  );
});

test('a framework without a letter or digit makes no name', (t) => {
  const read = readVipLabel('/web:80', { ...context, framework: '☃' });
  t.true(isProblem(read) && read.code === 'LABEL_FRAMEWORK_EMPTY');
});

test('keys begin with exactly VIP or vip', (t) => {
  for (const key of ['VIP_0', 'vip_0', 'VIP', 'VIP_12', 'VIP_8f14e45f']) t.true(isVipKey(key), key);
  for (const key of ['Vip_0', 'vIP_0', 'MY_VIP_0', ' VIP_0', 'VI', '']) t.false(isVipKey(key), key);
});
