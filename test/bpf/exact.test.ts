import type { ExecutionContext } from 'ava';
import type { ExactFlow, ExactKey } from '../../ts/dataplane/ebpf/lb.gen.js';
import type { PortRange } from '../../ts/dataplane/ebpf/nat-ports.js';
import type { Limits } from '../../ts/dataplane/ebpf/shared-maps.js';
import { formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import type { Policy } from '../../ts/model/policy.js';
import { until } from '../../ts/quickstart/until.js';
import { rootTest } from '../helpers/needs.js';
import { natPorts } from './case.js';
import { Talk } from './cases/talk.js';
import { codecOf } from './codec.js';
import { dissect } from './dissect.js';
import { openPlane, type TestPlane } from './plane.js';
import { program, upsert } from './run.js';

// The tables of flows that are tracked by all of their ends: full, flooded, and as time goes by.

const talk = new Talk(4, 'tcp');
const [backend = ''] = talk.names(1);
const FULL: Policy = { forwarding: 'full-nat' };

async function served(
  t: ExecutionContext,
  policy: Policy,
  limits: Partial<Limits> = {},
  ports: PortRange = natPorts,
): Promise<TestPlane> {
  const plane = await openPlane(limits, undefined, ports);
  t.teardown(() => plane.close());
  await program(plane, [upsert(talk.key, talk.backends(1), policy)]);
  return plane;
}

/** What the backend sees as the client of a packet; undefined when it is not sent there. */
function ask(plane: TestPlane, sport: number, flags: string): string | undefined {
  const { data } = plane.run('xdp', 'in', talk.ask(flags, { sport }).build());
  const { ip, transport } = dissect(data);
  if (ip === undefined || transport?.kind !== 'tcp' || ip.dst !== parseEndpoint(backend).address) return undefined;
  return formatEndpoint({ address: ip.src, port: transport.sport });
}

/** A connection with its handshake behind it. */
function establish(plane: TestPlane, sport: number): string | undefined {
  const source = ask(plane, sport, 'S');
  plane.run('xdp', 'in', talk.reply(backend, 'SA', source === undefined ? {} : { to: source }).build());
  return ask(plane, sport, 'A') === source ? source : undefined;
}

async function verdict(plane: TestPlane, name: string): Promise<number> {
  return Number((await plane.verdicts())[name]);
}

/** Makes the flow of a client port look as if its last packet were so long ago. */
function silence(plane: TestPlane, sport: number, seconds: number): void {
  const [flows, key, flow] = [
    plane.openMap('exact_flows'),
    codecOf<ExactKey>('exact_key'),
    codecOf<ExactFlow>('exact_flow'),
  ];
  const { keys, values, count } = flows.dump();
  const ticks = BigInt(seconds * plane.settings().hz);
  for (let i = 0; i < count; i++) {
    if (key.decode(keys, i * key.size).src_port !== sport) continue;
    const held = flow.decode(values, i * flow.size);
    flows.set(keys.subarray(i * key.size, (i + 1) * key.size), flow.encode({ ...held, used: held.used - ticks }));
  }
  flows.close();
}

rootTest('full NAT without a free port is refused, and goes on when one is', async (t) => {
  const plane = await served(t, FULL, {}, { first: 61_440, last: 61_441 });
  const [first, second] = [ask(plane, 1, 'S'), ask(plane, 2, 'S')];
  t.deepEqual([first, second].sort(), ['10.9.9.9:61440', '10.9.9.9:61441']);
  t.is(ask(plane, 3, 'S'), undefined);
  t.is(await verdict(plane, 'exhausted'), 1);
  t.is((await plane.counters())[0]?.refused, 1n);
  t.is(ask(plane, 1, 'S'), first, 'what has a port keeps it');
  silence(plane, 1, 20);
  t.is(ask(plane, 3, 'S'), undefined, 'not yet expired');
  silence(plane, 1, 20);
  t.is(ask(plane, 3, 'S'), first);
});

rootTest('the port of a connection that was reset is free soon', async (t) => {
  const plane = await served(t, FULL, {}, { first: 61_440, last: 61_440 });
  const source = establish(plane, 1);
  t.is(source, '10.9.9.9:61440');
  silence(plane, 1, 3_600);
  t.is(ask(plane, 2, 'S'), undefined, 'established: not for two hours');
  t.is(ask(plane, 1, 'R'), source);
  silence(plane, 1, 11);
  t.is(ask(plane, 2, 'S'), source);
});

rootTest('a flood of SYNs pushes out its own kind, nothing that is established', async (t) => {
  const plane = await served(t, FULL, { exactFlows: 64 });
  const clients = [1, 2, 3, 4, 5, 6, 7, 8];
  const sources = clients.map((sport) => establish(plane, sport));
  t.is(new Set(sources).size, clients.length);
  for (let sport = 10_000; sport < 12_000; sport++) t.not(ask(plane, sport, 'S'), undefined);
  t.deepEqual(
    clients.map((sport) => ask(plane, sport, 'PA')),
    sources,
  );
  t.is(await verdict(plane, 'exhausted'), 0);
  t.true((await verdict(plane, 'evicted')) >= 2_000 - 64);
  t.not(establish(plane, 9), undefined);
});

rootTest('with a full table full NAT is refused, exact tracking done without', async (t) => {
  const plane = await served(t, FULL, { exactFlows: 64 });
  for (let sport = 1; sport <= 64; sport++) t.not(establish(plane, sport), undefined, `${sport}`);
  t.is(ask(plane, 100, 'S'), undefined);
  t.is(await verdict(plane, 'exhausted'), 1);
  await program(plane, [upsert('tcp/11.0.0.80:81', talk.backends(1), { exact: true })]);
  const other = (flags: string) => {
    const { verdict: what, data } = plane.run('xdp', 'in', talk.ask(flags, { sport: 5, to: '11.0.0.80:81' }).build());
    return [what, dissect(data).ip?.dst];
  };
  const passedOn = ['passed', parseEndpoint(backend).address];
  t.deepEqual(other('S'), passedOn);
  const answered = dissect(plane.run('xdp', 'out', talk.reply(backend, 'SA', { dport: 5 }).build()).data);
  t.is(answered.ip?.src, talk.vipAddress);
  t.deepEqual(other('A'), passedOn);
  t.is(await verdict(plane, 'exhausted'), 2);
});

rootTest('flows are listed with what they have carried, and swept away when they have expired', async (t) => {
  const plane = await served(t, FULL);
  const source = establish(plane, 40_000);
  plane.run('xdp', 'in', talk.ask('PA', { payload: 100 }).build());
  const [flow, ...others] = await plane.flows();
  t.deepEqual(others, []);
  t.like(flow, { vip: talk.key, backend, state: 'established', client: { address: talk.clientAddress, port: 40_000 } });
  t.is(flow?.exact && formatEndpoint(flow.exact.source), source);
  t.deepEqual(flow?.exact?.sent, { packets: 3, bytes: 40 + 40 + 140 });
  t.deepEqual(flow?.exact?.received, { packets: 1, bytes: 40 });
  silence(plane, 40_000, 7_441);
  await until('the sweep', 20_000, async () => (await plane.flows()).length === 0);
  const answers = plane.openMap('exact_answers');
  t.is(answers.dump().count, 0);
  answers.close();
});

rootTest('a connection is over when both ends have said so', async (t) => {
  const plane = await served(t, FULL);
  const source = establish(plane, 1) ?? '';
  const state = async () => (await plane.flows())[0]?.state;
  t.is(await state(), 'established');
  ask(plane, 1, 'FA');
  silence(plane, 1, 200);
  t.is(ask(plane, 1, 'A'), source, 'the backend may go on sending');
  plane.run('xdp', 'in', talk.reply(backend, 'FA', { to: source }).build());
  t.is(await state(), 'closing');
  silence(plane, 1, 11);
  t.is(ask(plane, 1, 'A'), undefined);
});

rootTest(
  'a question over UDP that was answered keeps its port for half a minute, a conversation for five',
  async (t) => {
    const udp = new Talk(4, 'udp');
    const plane = await openPlane({}, undefined, { first: 61_440, last: 61_440 });
    t.teardown(() => plane.close());
    await program(plane, [upsert(udp.key, udp.backends(1), FULL)]);
    const source = '10.9.9.9:61440';
    const asks = (sport: number) => {
      const { ip, transport } = dissect(plane.run('xdp', 'in', udp.ask('', { sport }).build()).data);
      return ip?.src === '10.9.9.9' && transport?.kind === 'udp' && transport.sport === 61_440;
    };
    const answers = () => plane.run('xdp', 'in', udp.reply(udp.backend(1), '', { to: source }).build());
    t.true(asks(1));
    answers();
    silence(plane, 1, 29);
    t.false(asks(2));
    silence(plane, 1, 2);
    t.true(asks(2));
    answers();
    t.true(asks(2));
    answers();
    silence(plane, 2, 299);
    t.false(asks(3));
    silence(plane, 2, 2);
    t.true(asks(3));
  },
);
