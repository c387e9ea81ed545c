import { EventEmitter, on } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { HeldBackend, HeldVip } from '../../../ts/dataplane/ebpf/held.js';
import type { Given } from '../../../ts/dataplane/ebpf/origins.js';
import { Severing } from '../../../ts/dataplane/ebpf/severing.js';
import { queriesFor, type Swept } from '../../../ts/dataplane/ebpf/sweep.js';
import { backendKey, vipKey } from '../../../ts/model/service.js';

const frontend = { address: '11.0.0.1', port: 80, protocol: 'tcp' } as const;
const key = vipKey(frontend);
const vip: HeldVip = {
  id: 1,
  key,
  frontend,
  hash: 0,
  backends: new Map(),
  policy: {},
  nodeDenied: false,
  beside: false,
  table: undefined,
  previous: undefined,
  forwarded: { frontend, backends: [] },
};

function backend(id: number): HeldBackend {
  const at = { address: `10.0.0.${id}`, port: 80 };
  return { ...at, id, key: backendKey(at), vip, generation: 1, weight: 1, active: true, local: false };
}

const nothing: Swept = { severed: [], faults: [] };

/** A machine whose sockets are told by the test; every look is told in turn. */
function machine(t: ExecutionContext, options: { delayMs?: number; unused?: boolean } = {}) {
  const events = new EventEmitter();
  const looks = on(events, 'look');
  const live = new Set<string>();
  const told: Swept['severed'][number][] = [];
  const warnings: unknown[] = [];
  const answers: Swept[] = [];
  const severing = new Severing(
    { delayMs: options.delayMs ?? 0 },
    {
      look: async (among, lost) => {
        events.emit('look', among, lost);
        return answers.shift() ?? nothing;
      },
      has: (_, id) => live.has(id),
      used: () => options.unused !== true,
      onSevered: (one) => told.push(one),
      logger: { info: () => {}, warn: (fields) => warnings.push(fields) },
    },
  );
  t.teardown(() => severing.stop());
  const nextLook = async () => {
    const [among, lost] = (await looks.next()).value;
    return { among, lost } as { among: readonly Given[] | undefined; lost: (given: Given) => boolean };
  };
  return { severing, live, told, warnings, answers, nextLook };
}

test('begins with a look at everything, then looks for what is gone', async (t) => {
  const { severing, nextLook } = machine(t);
  severing.start();
  t.is((await nextLook()).among, undefined);
  severing.gone([backend(1), backend(2)]);
  const { among, lost } = await nextLook();
  t.deepEqual(
    among?.map((given) => [given.vip, backendKey(given.backend)]),
    [
      [key, '10.0.0.1:80'],
      [key, '10.0.0.2:80'],
    ],
  );
  t.true(among?.every(lost));
});

test('a backend that is there again is not lost, and not looked for', async (t) => {
  const { severing, live, nextLook } = machine(t);
  severing.start();
  await nextLook();
  severing.gone([backend(1), backend(2)]);
  live.add('10.0.0.1:80');
  const { among } = await nextLook();
  t.deepEqual(
    among?.map((given) => given.backend.address),
    ['10.0.0.2'],
  );
});

test('while the delay of a removal runs, its sockets are not lost, whatever else is looked for', async (t) => {
  const { severing, nextLook } = machine(t, { delayMs: 200 });
  severing.start();
  const first = nextLook();
  const { lost } = await first;
  severing.gone([backend(1)]);
  const given = { protocol: 'tcp', vip: key, backend: backend(1) } as const;
  t.false(lost(given));
  t.true((await nextLook()).lost(given));
});

test('a backend that never had a connection costs no look', async (t) => {
  const idle = machine(t, { unused: true });
  idle.severing.start();
  await idle.nextLook();
  idle.severing.gone([backend(1)]);
  const busy = machine(t);
  busy.severing.start();
  await busy.nextLook();
  const stray = idle.nextLook().then(() => t.fail('looked'));
  busy.severing.gone([backend(1)]);
  await Promise.race([busy.nextLook(), stray]);
  t.pass();
});

test('looks again after a find, and tells each once', async (t) => {
  const { severing, told, answers, nextLook } = machine(t);
  const found = (sockets: number): Swept => ({ severed: [{ vip: key, backend: '10.0.0.1:80', sockets }], faults: [] });
  answers.push(nothing, found(2), found(1), nothing);
  severing.start();
  await nextLook();
  severing.gone([backend(1)]);
  await nextLook();
  await nextLook();
  await nextLook();
  t.deepEqual(
    told.map(({ sockets }) => sockets),
    [2, 1],
  );
});

test('complains once of each kind', async (t) => {
  const { severing, warnings, answers, nextLook } = machine(t);
  const faulty: Swept = { severed: [], faults: [{ code: 'EPERM', object: 'x', cause: 'y' }] };
  answers.push(faulty, faulty);
  severing.start();
  await nextLook();
  severing.gone([backend(1)]);
  await nextLook();
  await severing.stop();
  t.is(warnings.length, 1);
});

test('asks only for what could be connected to the backends, and stops listing them when they are many', (t) => {
  const given = (protocol: 'tcp' | 'udp', address: string): Given => ({
    protocol,
    vip: '',
    backend: { address, port: 1 },
  });
  const shape = (among: readonly Given[] | undefined) =>
    queriesFor(among).map(({ protocol, family, destinations }) => `${protocol}${family}:${destinations?.length}`);
  const everything = ['tcp4:undefined', 'tcp6:undefined', 'udp4:undefined', 'udp6:undefined'];
  t.deepEqual(shape(undefined), everything);
  t.deepEqual(shape([]), []);
  t.deepEqual(shape([given('udp', 'fd00::1')]), ['udp6:1']);
  t.deepEqual(shape([given('tcp', '10.0.0.1'), given('tcp', '10.0.0.1'), given('tcp', 'fd00::1')]), [
    'tcp4:1',
    'tcp6:2',
  ]);
  const many = Array.from({ length: 33 }, (_, i) => given('udp', `10.0.0.${i}`));
  t.deepEqual(shape(many), ['udp4:undefined', 'udp6:undefined']);
});
