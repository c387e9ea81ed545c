import test from 'ava';
import { readTask } from '../../../../ts/sources/mesos/task.js';
import type { TaskMessage } from '../../../../ts/sources/mesos/wire.js';
import { agentAddress, discovery, example, labels, message, port, status } from './messages.js';

const around = { framework: 'marathon', agentAddress };
const portsOf = (task: TaskMessage) => readTask(task, around).task.ports;
const rejected = (task: TaskMessage) =>
  readTask(task, around).rejected.map(({ key, value, code, mended }) => ({ key, value, code, mended }));

const container = ['9.0.1.5'];
const mapped = (host_port: number, container_port: number, protocol = 'tcp') => ({
  host_port,
  container_port,
  protocol,
});

test('host network: what the discovery information and the legacy labels say becomes one table', (t) => {
  t.deepEqual(portsOf(example), [
    { name: 'foo', protocol: 'tcp', port: 9999, vips: ['/abc:80', '/cbd:80', 'def:80'] },
    { name: 'bar', protocol: 'tcp', port: 10000, vips: ['jkl:80'] },
    { name: 'baz', protocol: 'tcp', port: 10001, vips: ['/xyz:443'] },
    { name: 'qux', protocol: 'tcp', port: 10002, vips: [] },
  ]);
  t.deepEqual(rejected(example), []);
});

test('bridge network of Docker: a port is found by its host port', (t) => {
  const task = message({
    container: { type: 'DOCKER', docker: { network: 'BRIDGE', port_mappings: [mapped(31000, 80)] } },
    statuses: [status(['172.18.0.2'])],
    discovery: discovery([port(31000, 'http', { VIP_0: '/web:80', 'network-scope': 'host' })]),
  });
  t.deepEqual(portsOf(task), [{ name: 'http', protocol: 'tcp', port: 80, hostPort: 31000, vips: ['/web:80'] }]);
});

test('container network: the number is a port of the container', (t) => {
  const labelled = port(8080, 'http', { VIP_0: '/web:80', 'network-scope': 'container', 'network-name': 'dcos' });
  const task = message({ statuses: [status(container)], discovery: discovery([labelled]) });
  t.deepEqual(portsOf(task), [{ name: 'http', protocol: 'tcp', port: 8080, vips: ['/web:80'] }]);
});

test('mappings come from the container, for a pod from its status, and a container wins', (t) => {
  const infos = [{ ip_addresses: [{ ip_address: '9.0.1.5' }], port_mappings: [mapped(31000, 80)] }];
  const pod = message({ statuses: [status([], { container_status: { network_infos: infos } })] });
  t.deepEqual(portsOf(pod), [{ name: 'default', protocol: 'tcp', port: 80, hostPort: 31000, vips: [] }]);
  const task = { ...pod, container: { type: 'MESOS', network_infos: [{ port_mappings: [mapped(31001, 81, 'udp')] }] } };
  t.deepEqual(portsOf(task), [{ name: 'default', protocol: 'udp', port: 81, hostPort: 31001, vips: [] }]);
});

test('one number for udp and tcp is two ports', (t) => {
  const values = { VIP_0: '/dns:53' };
  const task = message({ discovery: discovery([port(53, 'dns', values, 'udp'), port(53, 'dns', values, 'tcp')]) });
  t.deepEqual(
    portsOf(task).map(({ protocol, vips }) => [protocol, vips]),
    [
      ['udp', ['/dns:53']],
      ['tcp', ['/dns:53']],
    ],
  );
});

test('a discovery port meets every mapping of its container port', (t) => {
  const task = message({
    container: { type: 'DOCKER', docker: { port_mappings: [mapped(31000, 80), mapped(31001, 80)] } },
    statuses: [status(container)],
    discovery: discovery([port(80, 'http', { VIP_0: '/web:80' })]),
  });
  t.deepEqual(
    portsOf(task).map(({ hostPort, vips }) => [hostPort, vips]),
    [
      [31000, ['/web:80']],
      [31001, ['/web:80']],
    ],
  );
});

test('a host port stays one when the task has an address of its own', (t) => {
  const named = port(31000, 'http', { 'network-scope': 'host' });
  const own = message({ statuses: [status(container)], discovery: discovery([named]) });
  t.deepEqual(portsOf(own), [{ name: 'http', protocol: 'tcp', hostPort: 31000, vips: [] }]);
  const host = message({ discovery: discovery([named]) });
  t.deepEqual(portsOf(host), [{ name: 'http', protocol: 'tcp', port: 31000, vips: [] }]);
  const staging = message({ state: 'TASK_STAGING', discovery: discovery([named]) });
  t.deepEqual(portsOf(staging), [{ name: 'http', protocol: 'tcp', hostPort: 31000, vips: [] }]);
});

test('the n-th port of a legacy label counts through all resources, ranges and scalars', (t) => {
  const range = [
    { begin: 31000, end: 31001 },
    { begin: 31005, end: 31005 },
  ];
  const resources = [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 1 } },
    { name: 'ports', type: 'RANGES', ranges: { range } },
    { name: 'ports', type: 'SCALAR', scalar: { value: 31009 } },
  ];
  const task = message({ resources, labels: labels({ vip_PORT2: 'udp://a:1', VIP_port3: 'tcp://b:2' }) });
  t.deepEqual(portsOf(task), [
    { name: 'default', protocol: 'udp', port: 31005, vips: ['a:1'] },
    { name: 'default', protocol: 'tcp', port: 31009, vips: ['b:2'] },
  ]);
});

test('a port without a protocol has names under both, as in Mesos-DNS, but makes no VIP', (t) => {
  const task = message({ discovery: discovery([port(9000, 'web', { VIP_0: '/web:80' }, '')]) });
  t.deepEqual(portsOf(task), [
    { name: 'web', protocol: 'tcp', port: 9000, vips: [] },
    { name: 'web', protocol: 'udp', port: 9000, vips: [] },
  ]);
  t.like(rejected(task), [{ key: 'VIP_0', code: 'LABEL_PROTOCOL' }]);
});

test('labels that make no VIP are named, and hide neither their neighbours nor the port', (t) => {
  const task = message({
    resources: [{ name: 'ports', ranges: { range: [{ begin: 9000, end: 9000 }] } }],
    labels: labels({
      vip_port1: 'tcp://a:1',
      vip_port0: 'http://b:2',
      vip_portx: 'tcp://c:3',
      VIP_0: '/misplaced:1',
      HAPROXY_GROUP: 'external',
    }),
    discovery: discovery([
      port(9000, 'web', { VIP_0: '/good:80', VIP_1: '/bad', Vip_2: '/case:80' }),
      port(9001, 'odd', { VIP_0: '/sctp:80' }, 'sctp'),
      port(9002, 'odd', { VIP_0: '/scope:80', 'network-scope': 'galaxy' }),
      port(0, 'odd', { VIP_0: '/zero:80' }),
      port(9003, 'plain', {}, 'icmp'),
    ]),
  });
  t.deepEqual(portsOf(task), [{ name: 'web', protocol: 'tcp', port: 9000, vips: ['/bad', '/good:80'] }]);
  t.deepEqual(rejected(task), [
    { key: 'vip_port1', value: 'tcp://a:1', code: 'LABEL_INDEX_RANGE', mended: undefined },
    { key: 'vip_port0', value: 'http://b:2', code: 'LABEL_SCHEME', mended: 'tcp://b:2' },
    { key: 'vip_portx', value: 'tcp://c:3', code: 'LABEL_INDEX_INVALID', mended: undefined },
    { key: 'VIP_0', value: '/misplaced:1', code: 'LABEL_MISPLACED', mended: undefined },
    { key: 'Vip_2', value: '/case:80', code: 'LABEL_KEY', mended: 'VIP_2=/case:80' },
    { key: 'VIP_1', value: '/bad', code: 'LABEL_PORT_MISSING', mended: '/bad:9000' },
    { key: 'VIP_0', value: '/sctp:80', code: 'LABEL_PROTOCOL', mended: undefined },
    { key: 'VIP_0', value: '/scope:80', code: 'LABEL_SCOPE', mended: undefined },
    { key: 'VIP_0', value: '/zero:80', code: 'LABEL_PORT_UNKNOWN', mended: undefined },
  ]);
});
