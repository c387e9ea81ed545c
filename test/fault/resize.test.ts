import { BpfMap } from '../../ts/libbpf/map.js';
import type { ServiceInput } from '../../ts/model/schema.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent, type OpenDialogue } from '../helpers/agent.js';
import type { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { setScene } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';

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

interface Held {
  readonly dialogue: OpenDialogue;
  readonly name: string;
}

async function hold(client: Agent): Promise<Held[]> {
  const held: Held[] = [];
  for (let i = 0; i < 20; i += 1) {
    const dialogue = await client.open('tcp', targets[i % 2]!);
    const answer = await dialogue.ask();
    if (answer.error !== undefined) throw new Error(answer.error);
    held.push({ dialogue, name: answer.name });
  }
  return held;
}

function setsOf(lab: Lab): number {
  const flows = BpfMap.openPinned(`${lab.bpffs}/vipd/maps/flows`);
  const { maxEntries } = flows.info;
  flows.close();
  return maxEntries;
}

rootTest('limits raised and lowered: no connection is reset or meets another backend, new ones work', async (t) => {
  const two = (servers: readonly EchoServer[]) => services(servers.slice(0, 2));
  const flags = ['--max-flows', '4096', '--max-vips', '64', '--max-backends', '256'];
  const { lab, servers, client, daemon } = await setScene(t, 'tc', names, two, ...flags);
  const uplink = await Agent.start(lab, lab.site('uplink', 'uplink').namespace);
  const held = [...(await hold(client)), ...(await hold(uplink))];
  await daemon.serve(services(servers)); // so that the tables alone would choose others
  const sizes = [
    ['--max-flows', '65536', '--max-vips', '2048', '--max-backends', '4096'],
    ['--max-flows', '8192', '--max-vips', '2048', '--max-backends', '4096'],
  ];
  for (const [i, size] of sizes.entries()) {
    const stop = await client.load('tcp', targets[0]!);
    await daemon.end('SIGTERM');
    await daemon.restart(...size);
    await daemon.holds(services(servers));
    await until('the new size in force', 20_000, async () => setsOf(lab) === Number(size[1]) / 8);
    const figures = await stop();
    t.deepEqual(figures.failures, {}, `resize ${i + 1}`);
    for (const { dialogue, name } of held) {
      const answer = await dialogue.ask();
      t.is(answer.error ?? answer.name, name, `resize ${i + 1}`);
    }
  }
  for (const { dialogue } of held) await dialogue.close();
});
