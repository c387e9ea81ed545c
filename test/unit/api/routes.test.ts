import test from 'ava';
import type { Client } from '../../../ts/api/client.js';
import { routes } from '../../../ts/api/routes/routes.js';
import type { ServiceDefinition } from '../../../ts/model/service.js';
import { serviceToJson } from '../../../ts/model/validation.js';
import { cached, listed, lookup, record, service, upstream, zone } from './fake-dns.js';
import {
  event,
  exactFlow,
  type FakePorts,
  hook,
  joint,
  member,
  previewed,
  rejected,
  shared,
  task,
  web,
  webStatus,
} from './fake-ports.js';
import { serve } from './with-server.js';

interface Case {
  readonly call: (client: Client) => Promise<unknown>;
  readonly answer: unknown;
  /** What the daemon must have been asked to do. */
  readonly calls?: readonly unknown[];
}

const [first, second] = webStatus.backends;
const connects = {
  ...{ connected: 4, refused: 1, timedOut: 0, unreachable: 0, reset: 2, abandoned: 0, failing: 1 },
  ...{ p50Seconds: 0.000008, p90Seconds: 0.000016, p99Seconds: 0.000016 },
};
const vip = {
  ...webStatus,
  backends: [{ ...first, counters: { connections: 5, packets: 60, bytes: 7_000 }, connects }, second],
  counters: { connections: 5, packets: 60, bytes: 7_000, refused: 1 },
  connects,
};
const named = {
  name: 'web.marathon',
  fqdn: 'web.marathon.l4lb.thisdcos.directory',
  addresses: [{ family: 4, address: '11.0.0.80', forwards: true }],
  vips: ['tcp/11.0.0.80:80'],
};
const mode = { wanted: 'auto', from: 'configuration', plane: 'memory', planes: [{ name: 'memory', usable: true }] };
const placed = { service: 'web', backend: '10.0.0.1:8080' };
const mine: ServiceDefinition = { ...web, name: 'mine', frontend: { ...web.frontend, port: 81 } };
const { name: _, ...unnamed } = serviceToJson(mine);

/** One case for every route: what is called, what comes back, what the daemon was asked. */
const cases: { readonly [K in keyof Client]: Case } = {
  status: {
    call: (client) => client.status(),
    answer: {
      healthy: true,
      version: '1.2.3',
      pid: process.pid,
      started: 500,
      plane: 'memory',
      mode,
      pools: ['11.0.0.0/8'],
      hooks: [hook],
      sources: [{ name: 'file', reported: true, services: 1, updated: 900, faults: [] }],
      reconcile: { converged: true, lastPass: 950, passes: 4, drift: 2, faults: [] },
      faults: [],
      vips: 1,
      names: 1,
      backends: { active: 1, draining: 0, down: 1, pending: 0, standby: 0, ejected: 0 },
      dns: { listeners: [{ endpoint: '198.51.100.1:53', listening: true }], ready: true, upstreams: 1 },
      tables: [{ table: 'exact_flows', used: 3, limit: 65_536, alarm: false }],
      verdicts: { forwarded: 60, refused: 1 },
    },
  },
  doctor: {
    call: (client) => client.doctor(),
    answer: { ok: true, checks: [{ name: 'kernel', result: 'ok', detail: '6.18' }] },
  },
  mode: { call: (client) => client.mode(), answer: mode },
  setMode: {
    call: (client) => client.setMode({ body: { mode: 'ipvs', drainMs: 5_000 } }),
    answer: mode,
    calls: [['setMode', 'ipvs', 5_000]],
  },
  exec: { call: (client) => client.exec(), answer: { cgroup: '/sys/fs/cgroup/test' } },
  teardown: { call: (client) => client.teardown(), answer: { removed: true }, calls: [['teardown']] },
  metrics: { call: (client) => client.metrics(), answer: 'vipd_build_info 1\n' },
  vips: { call: (client) => client.vips(), answer: { vips: [vip] } },
  vip: { call: (client) => client.vip({ key: 'tcp/11.0.0.80:80' }), answer: vip },
  backends: {
    call: (client) => client.backends(),
    answer: { backends: vip.backends.map((backend) => ({ vip: vip.key, service: 'web', backend })) },
  },
  members: { call: (client) => client.members(), answer: { members: [member] } },
  dcosVips: {
    call: (client) => client.dcosVips(),
    answer: [
      {
        vip: '11.0.0.80:80',
        protocol: 'tcp',
        addresses: ['11.0.0.80'],
        backend: [
          { ip: '10.0.0.1', port: 8080, weight: 1, state: 'active' },
          { ip: '10.0.0.2', port: 8080, weight: 0, state: 'down' },
        ],
      },
    ],
  },
  nodes: {
    call: (client) => client.nodes(),
    answer: [{ private_ip: '10.0.0.1', public_ips: [], hostname: 'node-a', updated: '2023-11-14T22:13:20.000Z' }],
  },
  leave: { call: (client) => client.leave(), answer: { left: true }, calls: [['leave']] },
  names: { call: (client) => client.names(), answer: { names: [named] } },
  previewApp: {
    call: (client) => client.previewApp({ body: { id: '/web' } }),
    answer: previewed,
    calls: [['preview', { id: '/web' }]],
  },
  labels: {
    call: (client) => client.labels(),
    answer: {
      rejected: [{ source: 'mesos-agent', ...rejected }],
      shared: [{ source: 'mesos-agent', ...shared }],
      joint: [joint],
    },
  },
  endpoints: {
    call: (client) => client.endpoints({ app: '/dcos-101/app2' }),
    answer: {
      apps: [
        {
          framework: 'marathon',
          app: 'app2.dcos-101',
          address: ['10.0.0.1:31000'],
          dns: ['app2-dcos-101.marathon.autoip.dcos.thisdcos.directory:31000'],
          vip: ['dcos-101app2.marathon.l4lb.thisdcos.directory:10000'],
          tasks: [
            {
              id: task.id,
              state: 'TASK_RUNNING',
              healthy: true,
              agent: '10.0.0.1',
              endpoints: ['10.0.0.1:31000'],
            },
          ],
        },
      ],
    },
  },
  where: { call: (client) => client.where({ name: 'web' }), answer: { name: named, vips: [vip] } },
  explain: {
    call: (client) => client.explain({ key: 'web' }),
    answer: {
      vip,
      nodes: [{ name: 'node-a', state: 'self', heard: 1_700_000_000_000, backends: 2, active: 1 }],
      drift: ['backend 10.0.0.1:8080 has weight 2 in the kernel, 1 is desired'],
      kernel: { id: 7, table: 'maglev 251' },
    },
  },
  services: {
    call: (client) => client.services(),
    answer: { services: [serviceToJson({ ...web, name: 'stored' })] },
  },
  setService: {
    call: (client) => client.setService({ name: 'mine', body: unnamed }),
    answer: serviceToJson(mine),
    calls: [['set', mine]],
  },
  removeService: {
    call: (client) => client.removeService({ name: 'stored' }),
    answer: { removed: 'stored' },
    calls: [['remove', 'stored']],
  },
  applyServices: {
    call: (client) => client.applyServices({ body: { services: [serviceToJson(mine)] }, prune: true }),
    answer: { services: ['mine'] },
    calls: [['apply', [mine], true]],
  },
  drain: {
    call: (client) => client.drain(placed),
    answer: { ...placed, drained: true },
    calls: [['drain', 'web', '10.0.0.1:8080']],
  },
  undrain: {
    call: (client) => client.undrain(placed),
    answer: { ...placed, drained: false },
    calls: [['undrain', 'web', '10.0.0.1:8080']],
  },
  dnsLookup: {
    call: (client) => client.dnsLookup({ name: record.name, type: 'A' }),
    answer: lookup(record.name, 'A'),
  },
  dnsZones: {
    call: (client) => client.dnsZones(),
    answer: {
      listeners: [{ endpoint: '198.51.100.1:53', listening: true }],
      zones: [zone],
      suffixes: [{ suffix: 'mesos.thisdcos.directory', target: 'as mesos' }],
    },
  },
  dnsRecords: {
    call: (client) => client.dnsRecords({ zone: 'Mesos.', limit: 1 }),
    answer: { records: [record], more: true },
  },
  dnsCache: {
    call: (client) => client.dnsCache({}),
    answer: { bytes: 700, entries: 1, evictions: 2, cached: [cached] },
  },
  dnsFlush: { call: (client) => client.dnsFlush(), answer: { forgotten: 1 } },
  dnsUpstreams: { call: (client) => client.dnsUpstreams(), answer: { upstreams: [upstream] } },
  version: { call: (client) => client.version(), answer: { Service: 'vipd', Version: '1.2.3', URL: '' } },
  hosts: {
    call: (client) => client.hosts({ name: 'web.marathon.mesos' }),
    answer: [{ host: 'web.marathon.mesos.', ip: '10.0.0.1' }],
  },
  servicesOf: {
    call: (client) => client.servicesOf({ name: '_web._tcp.marathon.mesos' }),
    answer: [{ service: '_web._tcp.marathon.mesos', host: 'web.marathon.mesos.', ip: '10.0.0.1', port: '80' }],
  },
  records: {
    call: (client) => client.records(),
    answer: [listed, { name: service.name, host: 'web.marathon.mesos:80', rtype: 'SRV' }],
  },
  enumerate: {
    call: (client) => client.enumerate(),
    answer: { frameworks: [{ name: 'marathon', tasks: [{ name: 'web', id: 'web.1', records: [listed] }] }] },
  },
  axfr: {
    call: (client) => client.axfr(),
    answer: {
      ...{ TTL: 60, Serial: 7, RefreshSeconds: 1, Mname: 'ns1.mesos.', Rname: 'root.ns1.mesos.', Domain: 'mesos' },
      Records: {
        As: { 'web.marathon.mesos.': ['10.0.0.1'] },
        AAAAs: {},
        SRVs: { '_web._tcp.marathon.mesos.': ['web.marathon.mesos.:80'] },
      },
    },
  },
  flows: { call: (client) => client.flows({ limit: 1, exact: true }), answer: { flows: [exactFlow] } },
  events: { call: async (client) => collect(await client.events({ follow: false })), answer: [event] },
};

async function collect(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const value of values) all.push(value);
  return all;
}

for (const [id, route] of Object.entries(routes)) {
  test(`${route.method} ${route.path}: client, server and daemon agree`, async (t) => {
    const { call, answer, calls = [] } = cases[id as keyof Client];
    const { client, ports } = await serve(t);
    t.deepEqual(await call(client), answer);
    t.deepEqual<unknown, unknown>(ports.calls, calls);
  });
}

interface Refusal {
  readonly title: string;
  readonly call: (client: Client, ports: FakePorts) => Promise<unknown>;
  readonly code: string;
  readonly object: string;
}

const refusals: readonly Refusal[] = [
  {
    title: 'an unknown VIP',
    call: (client) => client.vip({ key: 'no/such' }),
    code: 'NOT_FOUND',
    object: 'vip no/such',
  },
  {
    title: 'an unknown name',
    call: (client) => client.where({ name: 'webb.marathon' }),
    code: 'NOT_FOUND',
    object: 'name webb.marathon',
  },
  {
    title: 'to explain an unknown VIP',
    call: (client) => client.explain({ key: 'x' }),
    code: 'NOT_FOUND',
    object: 'vip x',
  },
  {
    title: 'a limit out of range',
    call: (client) => client.flows({ limit: 0 }),
    code: 'REQUEST_INVALID',
    object: 'GET /v1/flows?limit=0',
  },
  {
    title: 'to remove an unknown service',
    call: (client) => client.removeService({ name: 'nobody' }),
    code: 'NOT_FOUND',
    object: 'service nobody',
  },
  {
    title: 'to remove a service of a file',
    call: (client) => client.removeService({ name: 'web' }),
    code: 'SERVICE_FOREIGN',
    object: 'service web',
  },
  {
    title: 'port 0',
    call: (client) => client.setService({ name: 'web', body: { vip: '11.0.0.1:0', backends: [] } }),
    code: 'PORT_INVALID',
    object: 'service web',
  },
  {
    title: 'a body that names another service',
    call: (client) => client.setService({ name: 'web', body: serviceToJson({ ...web, name: 'other' }) }),
    code: 'NAME_INVALID',
    object: 'service web',
  },
  {
    title: 'a name that a file has taken',
    call: (client) => client.setService({ name: 'web', body: unnamed }),
    code: 'SERVICE_FOREIGN',
    object: 'service web',
  },
  {
    title: 'a VIP that another service has taken',
    call: (client) => client.applyServices({ body: { services: [serviceToJson({ ...web, name: 'other' })] } }),
    code: 'VIP_OVERLAP',
    object: 'service other',
  },
  {
    title: 'a set with two services on one VIP, as a whole',
    call: (client) =>
      client.applyServices({ body: { services: [serviceToJson(mine), serviceToJson({ ...mine, name: 'mine2' })] } }),
    code: 'VIP_OVERLAP',
    object: 'service mine2',
  },
  {
    title: 'to drain a backend of an unknown service',
    call: (client) => client.drain({ service: 'nobody', backend: '10.0.0.1:1' }),
    code: 'NOT_FOUND',
    object: 'service nobody',
  },
  {
    title: 'to drain an unknown backend',
    call: (client) => client.drain({ service: 'web', backend: '10.0.0.9:1' }),
    code: 'NOT_FOUND',
    object: 'backend 10.0.0.9:1',
  },
  {
    title: 'to undrain a backend that is neither there nor drained',
    call: (client) => client.undrain({ service: 'web', backend: '10.0.0.9:1' }),
    code: 'NOT_FOUND',
    object: 'backend 10.0.0.9:1',
  },
  {
    title: 'to drain what is no address',
    call: (client) => client.drain({ service: 'web', backend: 'x' }),
    code: 'ADDRESS_INVALID',
    object: 'x',
  },
];

test('undrains what was drained and is gone', async (t) => {
  const { client, ports } = await serve(t);
  ports.drained.add('gone 10.0.0.9:1');
  const gone = { service: 'gone', backend: '10.0.0.9:1' };
  t.deepEqual(await client.undrain(gone), { ...gone, drained: false });
});

test('says so when the daemon does not answer DNS', async (t) => {
  const { client, ports } = await serve(t);
  ports.dns = undefined;
  for (const call of [client.dnsZones, client.axfr, client.records]) await t.throwsAsync(call(), { code: 'DNS_OFF' });
  await t.throwsAsync(client.hosts({ name: 'a' }), { code: 'DNS_OFF' });
});

test('answers for names nobody knows as Mesos-DNS does', async (t) => {
  const { client } = await serve(t);
  t.deepEqual(await client.hosts({ name: 'nobody.mesos' }), [{ host: '', ip: '' }]);
  t.deepEqual(await client.servicesOf({ name: '_x._tcp.mesos' }), [{ service: '', host: '', ip: '', port: '' }]);
});

for (const { title, call, code, object } of refusals) {
  test(`refuses ${title}`, async (t) => {
    const { client, ports } = await serve(t);
    const error = await t.throwsAsync(call(client, ports), { code });
    t.is((error as { fault?: { object: string } }).fault?.object, object);
    t.false(ports.calls.some(([name]) => ['set', 'apply', 'drain'].includes(name as string)));
  });
}
