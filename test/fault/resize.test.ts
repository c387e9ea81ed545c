import { FlowState } from '../../ts/dataplane/ebpf/lb.gen.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import type { ServiceInput } from '../../ts/model/schema.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { hold } from '../helpers/held.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';
import { times } from '../helpers/thorough.js';

// Limits that change: the maps are replaced by larger or smaller ones under the connections that are in them.

const targets = [
  { address: '11.0.0.80', port: 7000 },
  { address: 'fd01:c::80', port: 7000 },
];
const names = ['one', 'two', 'three', 'four'];

function services(servers: readonly EchoServer[]): ServiceInput[] {
  return [
    { name: 'v4', vip: '11.0.0.80:7000', backends: servers.map(({ v4 }) => `${v4}:7000`) },
    { name: 'v6', vip: '[fd01:c::80]:7000', backends: servers.map(({ v6 }) => `[${v6}]:7000`) },
  ];
}

function sizeOf(lab: Lab, name: string): number {
  const map = BpfMap.openPinned(`${lab.bpffs}/vipd/maps/${name}`);
  const { maxEntries } = map.info;
  map.close();
  return maxEntries;
}

function establishedIn(lab: Lab): number {
  const map = BpfMap.openPinned(`${lab.bpffs}/vipd/maps/flows`);
  const words = new BigUint64Array((map.info.maxEntries * map.valueStride) / 8);
  map.readArray(0, new Uint8Array(words.buffer));
  map.close();
  return words.filter((word) => word !== 0n && Number((word >> 10n) & 3n) === FlowState.FLOW_ESTABLISHED).length;
}

/** The ids under which the kernel holds a service and its backends. */
async function idsOf(daemon: Daemon, name: string): Promise<unknown> {
  const { kernel } = await daemon.client.explain({ key: name });
  const backends = (kernel?.backends ?? []) as readonly { readonly id: number; readonly endpoint: string }[];
  return [kernel?.id, backends.map(({ id, endpoint }) => [endpoint, id])];
}

rootTest('D7: limits raised and lowered: no connection is reset or meets another backend, new ones work', async (t) => {
  const two = (servers: readonly EchoServer[]) => services(servers.slice(0, 2));
  const flags = ['--max-flows', '4096', '--max-vips', '64', '--max-backends', '256'];
  const { lab, servers, client, daemon } = await setScene(t, 'tc', names, two, ...flags);
  const uplink = await Agent.start(lab, lab.site('uplink', 'uplink').namespace);
  const held = [...(await hold(client, targets, 20)), ...(await hold(uplink, targets, 20))];
  await daemon.serve(services(servers)); // so that the tables alone would choose others
  const ids = await Promise.all(['v4', 'v6'].map((name) => idsOf(daemon, name)));
  const sizes = [
    ['--max-flows', '65536', '--max-vips', '2048', '--max-backends', '4096'],
    ['--max-flows', '8192', '--max-vips', '2048', '--max-backends', '4096'],
  ];
  for (const [i, size] of sizes.entries()) {
    const stop = await client.load('tcp', targets[0]!);
    await daemon.end('SIGTERM');
    await daemon.restart(...size);
    await daemon.holds(services(servers));
    await until('the new size in force', 20_000, async () => sizeOf(lab, 'flows') === Number(size[1]) / 8);
    const figures = await stop();
    t.deepEqual(figures.failures, {}, `resize ${i + 1}`);
    t.deepEqual(await Promise.all(['v4', 'v6'].map((name) => idsOf(daemon, name))), ids, `resize ${i + 1}`);
    for (const { dialogue, name } of held) {
      const answer = await dialogue.ask();
      t.is(answer.error ?? answer.name, name, `resize ${i + 1}`);
    }
  }
  for (const { dialogue } of held) await dialogue.close();
});

rootTest(
  'D7: connections that are silent meanwhile outlive limits raised and lowered, and the new ones after',
  async (t) => {
    const two = (servers: readonly EchoServer[]) => services(servers.slice(0, 2));
    const { lab, servers, client, daemon } = await setScene(t, 'tc', names, two, '--max-flows', '2048');
    const held = await hold(client, targets, 32);
    await daemon.serve(services(servers)); // so that the tables alone would choose others
    for (const size of ['4096', '1024']) {
      await daemon.end('SIGTERM');
      await daemon.restart('--max-flows', size);
      await daemon.holds(services(servers));
      for (const target of targets) t.is((await client.tally('tcp', target, 1_500)).ECONNRESET, undefined, size);
      // To ask is not enough: the selection table of before may lead to the same backends for a while.
      t.true(establishedIn(lab) >= held.length, size);
    }
    for (const { dialogue, name } of held) {
      const answer = await dialogue.ask();
      t.is(answer.error ?? answer.name, name);
    }
  },
);

/** Each twice the last. */
const SIZES = ['8192', '16384', '32768', '65536'].slice(0, times(2, 4));
const exactly = [{ exact: true }, { forwarding: 'full-nat' }] as const;
for (const policy of exactly) {
  rootTest(
    `D7: exact flows keep ends and backend while their tables are replaced, ${JSON.stringify(policy)}`,
    async (t) => {
      const lab = Lab.create(t);
      // On uplinks, so that full NAT has something to do.
      const servers = await Promise.all(names.map((name) => startEcho(lab, lab.site(name, 'uplink'), name)));
      const [client, busy] = await Promise.all(
        (['workload', 'uplink'] as const).map((kind) => Agent.start(lab, lab.site(kind, kind).namespace)),
      );
      const some = (all: readonly EchoServer[]) => services(all).map((service) => ({ ...service, ...policy }));
      const daemon = await Daemon.start(lab, some(servers.slice(0, 2)), '--max-exact-flows', '4096');
      const held = [...(await hold(client!, targets, 20)), ...(await hold(busy!, targets, 20))];
      await daemon.serve(some(servers)); // so that the tables alone would choose others
      const sources = async () => {
        const { flows } = await daemon.client.flows({ exact: true, limit: 100_000 });
        const told = flows.filter(({ state }) => state === 'established');
        return told.map(({ client, backend, exact }) => JSON.stringify([client, backend, exact?.source])).sort();
      };
      const before = await sources();
      t.is(before.length, held.length);
      for (const size of SIZES) {
        // Not faster than connections that have ended are forgotten.
        const stops = await Promise.all([client!, busy!].map((agent) => agent.load('tcp', targets[0]!, 10)));
        await daemon.end('SIGTERM');
        await daemon.restart('--max-exact-flows', size);
        await daemon.holds(some(servers));
        await until('the new size in force', 20_000, () => sizeOf(lab, 'exact_flows') === Number(size));
        for (const stop of stops) {
          const { failures, answers } = await stop();
          t.deepEqual(failures, {}, `${size} after ${JSON.stringify(answers)}`);
        }
        for (const { dialogue, name } of held) {
          const answer = await dialogue.ask();
          t.is(answer.error ?? answer.name, name, size);
        }
        const after = new Set(await sources());
        t.deepEqual(
          before.filter((one) => !after.has(one)),
          [],
          size,
        );
      }
    },
  );
}
