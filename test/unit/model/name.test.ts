import test from 'ava';
import { dnsFragment, dnsLabel, splitVipName, vipFqdn, vipName } from '../../../ts/model/name.js';

/** As DC/OS names tasks. */
const labels = [
  ['/dcos-101/app2', 'dcos-101app2'],
  ['/a/bc', 'abc'],
  ['/ab/c', 'abc'],
  ['api.hello-world', 'api-hello-world'],
  ['app.group', 'app-group'],
  ['under_score', 'under-score'],
  ['UPPER', 'upper'],
  ['--x--', 'x'],
  ['...1', '1'],
  ['gr\u00fc\u00dfe', 'gre'],
  ['', ''],
  ['/-._', ''],
  ['a'.repeat(64), 'a'.repeat(63)],
  [`${'a'.repeat(61)}--bcd`, `${'a'.repeat(61)}bc`],
  [`${'a'.repeat(62)}-`, 'a'.repeat(62)],
  [`${'a'.repeat(62)}--`, 'a'.repeat(62)],
] as const;

for (const [text, label] of labels) {
  test(`the label of ${JSON.stringify(text)} is ${JSON.stringify(label)}`, (t) => {
    t.is(dnsLabel(text), label);
  });
}

test('a fragment keeps its dots and loses its empty parts', (t) => {
  t.is(dnsFragment('path/to/svc.with.dots'), 'pathtosvc.with.dots');
  t.is(dnsFragment('.a..b.'), 'a.b');
  t.is(dnsFragment('a./.b'), 'a.b');
  t.is(dnsFragment('api.hello-world'), 'api.hello-world');
});

test('the same name written differently is one name', (t) => {
  t.deepEqual(vipName('/foo', 'Marathon'), vipName('foo', 'marathon'));
  t.is(vipFqdn(vipName('/path/to/kafka', 'marathon')), 'pathtokafka.marathon.l4lb.thisdcos.directory');
});

test('a text is a name if letters follow the last dot, else it is meant as an address', (t) => {
  t.deepEqual(splitVipName('web.marathon:80'), { label: 'web', framework: 'marathon', port: 80 });
  t.deepEqual(splitVipName('/a/b.c.marathon:80'), { label: '/a/b.c', framework: 'marathon', port: 80 });
  for (const other of ['11.0.0.80:80', '11.0.0.300:80', '[fd01:c::80]:80', 'fd01:c::1.x:80', 'web:80', 'a.b', 'a.b:x'])
    t.is(splitVipName(other), undefined, other);
});
