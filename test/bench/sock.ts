import { Daemon } from '../helpers/daemon.js';
import type { Owner } from '../helpers/lab.js';
import type { Say } from './record.js';
import { change, figure, median, table } from './statistics.js';
import { compileEcho, echo } from './tools.js';
import { echoPort, prepare, type Variant, variant } from './variants.js';

const vip = '11.0.0.80';
const seconds = '0.25';

/** What is measured, and in which of the ways below; the first of a row is what the others are compared with. */
const rows: readonly { readonly name: string; readonly mode: string; readonly ways: readonly string[] }[] = [
  { name: 'connect to others', mode: 'connect', ways: ['no hook', 'without health', 'with health'] },
  { name: 'connect to a VIP', mode: 'connect', ways: ['VIP without health', 'VIP with health'] },
  { name: 'sendto, recvfrom others', mode: 'sendto', ways: ['no hook', 'without health', 'datagrams'] },
];

/** Prints what the parts of the sock hook cost: sockets that have nothing to do with VIPs, and those that do. */
export async function sock(owner: Owner, rounds: number, say: Say): Promise<void> {
  compileEcho();
  const ways = new Map((await allWays(owner)).map((way) => [way.name, way]));
  const values = new Map<string, number[]>();
  const valuesOf = (mode: string, way: string) => {
    const key = `${mode} ${way}`;
    return values.get(key) ?? values.set(key, []).get(key)!;
  };
  for (let round = 0; round < rounds * 5; round += 1) {
    for (const { mode, ways: names } of rows) {
      for (const name of names) valuesOf(mode, name).push(await measure(ways.get(name)!, mode));
    }
  }
  for (const { name, mode, ways: names } of rows) {
    const base = median(valuesOf(mode, names[0]!));
    const cells = names.map((way) => {
      const mine = valuesOf(mode, way);
      return [
        way,
        figure(mine),
        way === names[0] ? '' : `${change(median(mine), base)}, ${(median(mine) - base).toFixed(2)}`,
      ];
    });
    say(`${table([[name, 'µs', 'more'], ...cells])}\n`);
  }
  say(`medians of ${rounds * 5} alternating rounds ± half the range; client, node and server on one CPU`);
}

/** The hook without and with what watches connects; `datagrams` has the part that takes them attached as well. */
async function allWays(owner: Owner): Promise<readonly Variant[]> {
  const without = await place(owner, '--passive-health', 'false', '--sock-datagrams', 'off');
  const health = await place(owner, '--passive-health', 'true', '--sock-datagrams', 'on');
  return [
    variant('no hook', without.direct, without.client),
    variant('without health', without.direct, without.client, without.lab),
    variant('with health', health.direct, health.client, health.lab),
    variant('datagrams', health.direct, health.client, health.lab),
    variant('VIP without health', vip, without.client, without.lab),
    variant('VIP with health', vip, health.client, health.lab),
  ];
}

async function place(owner: Owner, ...flags: readonly string[]) {
  const { lab, server, client } = await prepare(owner, 'workload');
  const backends = [`${server.v4}:${echoPort}`];
  await Daemon.start(lab, [{ name: 'echo', vip: `${vip}:${echoPort}`, backends }], '--tc', 'none', ...flags);
  return { lab, client, direct: server.v4 };
}

async function measure({ start, address }: Variant, mode: string): Promise<number> {
  const output = await start([echo, mode, address, String(echoPort), seconds]).success();
  return Number(output.split(' ')[0]) / 1000;
}
