import test from 'ava';
import { Membership } from '../../../ts/cluster/membership.js';
import { Replica } from '../../../ts/cluster/replica.js';
import { type Remote, RemoteServices } from '../../../ts/cluster/services.js';
import type { SignedMessage } from '../../../ts/cluster/wire.js';
import { codec, identity, Writer } from './writer.js';

const self = identity(1);
const [a, b] = [new Writer(identity(2)), new Writer(identity(3))];
const KEY = 'tcp/11.0.0.1:80';
const backend = (address: string, health = 0) => ({
  address,
  port: 8080,
  weight: 1,
  health,
  reason: 'tcp: ECONNREFUSED',
});

/** What this node makes of these entries while it talks to `direct`. */
function seen(
  entries: readonly SignedMessage[],
  direct: readonly Writer[],
  services = new RemoteServices(),
  room = { vips: 8192, backends: 32_768 },
): Remote {
  const replica = new Replica(codec);
  for (const signed of entries) replica.accept(signed, 0);
  const membership = new Membership();
  const ids = new Set(direct.map(({ identity: { id } }) => id));
  const all = new Set([a, b].map(({ identity: { id } }) => id));
  membership.update({
    self: self.id,
    holdings: replica.holdings(),
    direct: ids,
    confirmed: all,
    allow: undefined,
    now: 1,
    wall: 1,
  });
  const members = membership.members();
  const holding = (id: string) => replica.holding(id);
  return services.update({
    self: self.id,
    addresses: ['10.0.0.1'],
    members,
    holding,
    alone: direct.length === 0,
    room,
  });
}

const nodes = [
  a.node(1, 1, { name: 'a', addresses: ['10.0.0.2'] }),
  b.node(1, 1, { name: 'b', addresses: ['10.0.0.3'] }),
];

test('one VIP has the backends of all nodes, each with its node and what that says', (t) => {
  const { services, faults } = seen(
    [
      ...nodes,
      a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2', 1)] }),
      b.vip(KEY, 1, 2, { backends: [backend('10.0.0.3', 2), backend('10.9.9.9', 3)] }),
    ],
    [a, b],
  );
  t.deepEqual(faults, []);
  t.is(services.length, 1);
  t.deepEqual(
    services[0]!.backends.map(({ address, origin }) => [
      address,
      origin!.node,
      origin!.verdict?.state,
      origin!.omitted,
    ]),
    [
      ['10.0.0.2', 'a', 'healthy', undefined],
      ['10.0.0.3', 'b', 'unhealthy', undefined],
      ['10.9.9.9', 'b', 'pending', undefined],
    ],
  );
});

test('the backends of a node no path leads to are left out with the reason, unless this node sees nobody', (t) => {
  const entries = [
    ...nodes,
    a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2')] }),
    b.vip(KEY, 1, 2, { backends: [backend('10.0.0.3')] }),
  ];
  const omissions = ({ services }: Remote) => services[0]!.backends.map(({ origin }) => origin!.omitted ?? '');
  const [first, second] = omissions(seen(entries, [a]));
  t.is(first, '');
  t.regex(second!, /^node b is unreachable since 00:00:00 UTC$/);
  t.deepEqual(omissions(seen(entries, [])), ['', '']);
});

test('a node cannot publish what is at an address of another', (t) => {
  const stolen = [
    ...nodes,
    a.vip(KEY, 1, 2, { backends: [backend('10.0.0.3'), backend('10.0.0.1'), backend('10.0.0.2')] }),
  ];
  const { services, faults } = seen(stolen, [a, b]);
  t.deepEqual(
    services[0]!.backends.map(({ address }) => address),
    ['10.0.0.2'],
  );
  t.deepEqual(
    faults.map(({ code, object }) => `${code} ${object}`),
    ['BACKEND_FOREIGN node a', 'BACKEND_FOREIGN node a'],
  );
  const both = seen([...stolen, b.vip(KEY, 1, 2, { backends: [backend('10.0.0.3')] })], [a, b]);
  t.is(both.services[0]!.backends.find(({ address }) => address === '10.0.0.3')!.origin!.node, 'b');
  t.is(both.faults.length, 1, 'of what its own node publishes too nothing is lost');
});

test('an address two nodes claim is told, and belongs to one of them everywhere', (t) => {
  const thief = b.node(1, 1, { name: 'b', addresses: ['10.0.0.2'] });
  const { faults } = seen([nodes[0]!, thief], [a, b]);
  t.deepEqual(
    faults.map(({ code }) => code),
    ['ADDRESS_CONTESTED'],
  );
});

test('what is not valid is told with the node, and hides nothing else', (t) => {
  const { services, faults } = seen(
    [
      ...nodes,
      a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2')] }),
      a.vip('tcp/11.0.0.2:80', 1, 3, { backends: [backend('10.0.0.02')] }),
      a.vip('tcp/11.0.0.3:80', 1, 4, { port: 81 }),
      a.vip('tcp/11.0.0.4:80', 1, 5, { label: 'Not Normal', framework: 'x' }),
    ],
    [a, b],
  );
  t.is(services.length, 1);
  t.deepEqual(new Set(faults.map(({ code, object }) => `${code} ${object}`)), new Set(['RECORD_INVALID node a']));
  t.is(faults.length, 3);
});

test('of a node whose every word is wrong a few are told, and how many more', (t) => {
  const wrong = Array.from({ length: 100 }, (_, i) => a.vip(`tcp/11.0.1.${i}:80`, 1, i + 2, { port: 81 }));
  const { faults } = seen([...nodes, ...wrong], [a, b]);
  t.is(faults.length, 9);
  t.is(faults.at(-1)!.cause, '92 more of the same kind');
});

test('a node that has left has nothing any more', (t) => {
  const entries = [a.node(1, 1, { left: true }), a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2')] })];
  t.deepEqual(seen(entries, [a]).services, []);
});

test('what stays the same stays the same object', (t) => {
  const services = new RemoteServices();
  const entries = [...nodes, a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2')] })];
  const [before, after] = [seen(entries, [a], services), seen(entries, [a], services)];
  t.is(before.services[0], after.services[0]);
});

test('who asks for more than there is room for is cut to what is left by the others, and named', (t) => {
  const many = Array.from({ length: 200 }, (_, i) => `tcp/11.0.1.${i}:80`);
  const entries = [
    ...nodes,
    ...many.map((key, i) => b.vip(key, 1, i + 2, { backends: [backend(`10.9.0.${i}`), backend(`10.9.1.${i}`)] })),
    ...[1, 2, 3].map((i) => a.vip(`tcp/11.0.2.${i}:80`, 1, i + 1, { backends: [backend('10.0.0.2')] })),
  ];
  const { services, faults } = seen(entries, [a, b], undefined, { vips: 160, backends: 160 });
  const keys = services.map(({ frontend }) => ('address' in frontend ? frontend.address : ''));
  for (const i of [1, 2, 3]) t.true(keys.includes(`11.0.2.${i}`), 'who asks for little has all of it');
  const backends = services.reduce((sum, service) => sum + service.backends.length, 0);
  t.true(backends <= 160 && backends > 120, `${backends} backends`);
  t.deepEqual(
    faults.map(({ code, object }) => `${code} ${object}`),
    ['NODE_OVER_SHARE node b'],
  );
});

test('of a VIP of several nodes none can take all the room', (t) => {
  const crowd = Array.from({ length: 4096 }, (_, i) => backend(`10.9.${i >> 8}.${i & 255}`));
  const entries = [
    ...nodes,
    b.vip(KEY, 1, 2, { backends: crowd }),
    a.vip(KEY, 1, 2, { backends: [backend('10.0.0.2')] }),
  ];
  const { services, faults } = seen(entries, [a, b]);
  t.is(services[0]!.backends.length, 4096);
  t.true(services[0]!.backends.some(({ address }) => address === '10.0.0.2'));
  t.deepEqual(
    faults.map(({ code, object }) => `${code} ${object}`),
    ['NODE_OVER_SHARE node b'],
  );
});
