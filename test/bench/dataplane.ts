import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { openPlane, type TestPlane } from '../bpf/plane.js';
import { program, upsert } from '../bpf/run.js';
import type { Owner } from '../helpers/lab.js';
import { type Measured, measure, pass, type Stream } from './cost.js';
import type { Say } from './record.js';
import { median, quartiles, table } from './statistics.js';
import { compileCost } from './tools.js';

/** A kind of packet: what is measured, what must have passed before, and what it may cost. */
interface Case {
  readonly name: string;
  readonly stream: Stream;
  readonly before?: readonly Stream[];
  /** ns at most. */
  readonly gate?: number;
}

const VIP = { 4: '11.0.0.80', 6: 'fd01:c::80' } as const;
const CLIENT = { 4: '10.98.0.1', 6: 'fd98::1' } as const;
/** Of the VIPs with one backend, whose answers can be made up. */
const ALONE = { 4: '10.77.2.1', 6: 'fd77:2::1' } as const;
const ELSEWHERE = { 4: '10.99.0.1', 6: 'fd99::1' } as const;
/** Port of the VIPs with one backend. */
const ALONE_PORT = 81;
/** Port of a VIP whose flows are tracked by all of their ends, and how many of them are measured. */
const EXACT_PORT = 82;
const EXACT_FLOWS = 4096;
/** Port of the VIPs whose packets go to their backends whole, in an outer header of so many bytes. */
const TUNNEL_PORT = 83;
const OUTER = { 4: 20, 6: 40 } as const;
/** Flows of which a table has room for just twice as many. */
const FITTING = 65_536;
/** Flows a full table holds: small, so that it is full soon. */
const TRACKED = 1 << 20;

const XDP_TX = 3;

type Family = 4 | 6;

/** Prints what vipd's packet programs cost a packet, and which of its aims are met. */
export async function dataplane(owner: Owner, say: Say): Promise<void> {
  compileCost();
  const plane = await planeWithRoom(owner, TRACKED);
  const rows: string[][] = [['ns per packet', 'net', 'quartiles', 'floor', 'aim', '']];
  for (const one of cases(plane)) rows.push(await measured(plane, one));
  for (const one of await inserts(plane)) rows.push(one);
  const small = await planeWithRoom(owner, 2 * FITTING);
  for (const one of fitting(small)) rows.push(await measured(small, one));
  say(`${table(rows)}\n`);
  say(`${memory(plane)}\n`);
  say(
    'medians and quartiles in CPU time of the calmest 21 of 210 batches of 50,000 runs: those around which an empty program',
  );
  say(
    'took least, which is taken off (of all batches where two CPUs insert). The table has room for a million flows unless',
  );
  say(
    'said. `One line` is what its memory costs here whoever reads it. A SYN leaves an entry, for the answer must prove that its connection came through a VIP\n',
  );
}

async function planeWithRoom(owner: Owner, flows: number): Promise<TestPlane> {
  const plane = await openPlane({ flows });
  owner.teardown(() => plane.close());
  await program(plane, [{ kind: 'pools', pools: [] }, ...vips()]);
  await program(plane, [{ kind: 'pools', pools: pools() }]);
  return plane;
}

function pools() {
  return [
    { address: '11.0.0.0', bits: 8 },
    { address: 'fd01:c::', bits: 64 },
  ];
}

function vips() {
  const many = (at: (i: number) => string) => Object.fromEntries(Array.from({ length: 16 }, (_, i) => [at(i), 1]));
  return (['tcp', 'udp'] as const).flatMap((protocol) => [
    upsert(
      `${protocol}/${VIP[4]}:80`,
      many((i) => `10.77.1.${100 + i}:8080`),
    ),
    upsert(
      `${protocol}/[${VIP[6]}]:80`,
      many((i) => `[fd77:1::${100 + i}]:8080`),
    ),
    upsert(`${protocol}/${VIP[4]}:${ALONE_PORT}`, { [`${ALONE[4]}:8081`]: 1 }),
    upsert(`${protocol}/[${VIP[6]}]:${ALONE_PORT}`, { [`[${ALONE[6]}]:8081`]: 1 }),
    upsert(`${protocol}/${VIP[4]}:${EXACT_PORT}`, { '10.77.3.1:8082': 1 }, { exact: true }),
    upsert(`${protocol}/${VIP[4]}:${TUNNEL_PORT}`, { [`10.77.4.1:${TUNNEL_PORT}`]: 1 }, { forwarding: 'tunnel' }),
    upsert(`${protocol}/[${VIP[6]}]:${TUNNEL_PORT}`, { [`[fd77:4::1]:${TUNNEL_PORT}`]: 1 }, { forwarding: 'tunnel' }),
  ]);
}

function to(family: Family, flows: number, port = 80): Omit<Stream, 'hook' | 'program'> {
  return { source: CLIENT[family], destination: VIP[family], destinationPort: port, client: 'source', flows };
}

/** In a table that is no larger than it need be, which more of the cache has room for. */
function fitting(plane: TestPlane): Case[] {
  return ([4, 6] as const).map((family) => {
    const stream: Stream = { hook: 'xdp', program: plane.pinOf('programs', 'xdp_ingress'), ...to(family, FITTING) };
    const name = `xdp IPv${family} TCP, ${FITTING} flows, room for ${2 * FITTING}`;
    return { name, stream, before: [stream], gate: family === 4 ? 30 : 40 };
  });
}

function cases(plane: TestPlane): Case[] {
  const sizes = [4096, 65_536, 524_288];
  const aims = { 4: [20, 30, 45], 6: [30, 40, 55] } as const;
  const xdp = { hook: 'xdp', program: plane.pinOf('programs', 'xdp_ingress') } as const;
  const tc = { hook: 'tc', program: plane.pinOf('programs', 'tc_ingress') } as const;
  const answer = (family: Family, flows: number): Omit<Stream, 'hook' | 'program'> => {
    return { source: ALONE[family], sourcePort: 8081, destination: CLIENT[family], client: 'destination', flows };
  };
  const established = (at: typeof xdp | typeof tc, family: Family): Case[] =>
    sizes.map((flows, i) => {
      const stream = { ...at, ...to(family, flows) };
      return { name: `${at.hook} IPv${family} TCP, ${flows} flows`, stream, before: [stream], gate: aims[family][i]! };
    });
  const replies = (family: Family): Case[] =>
    sizes.map((flows, i) => ({
      name: `xdp IPv${family} answer, ${flows} flows`,
      stream: { ...xdp, ...answer(family, flows) },
      before: [{ ...xdp, ...to(family, flows, ALONE_PORT) }],
      gate: aims[family][i]!,
    }));
  const others = (at: typeof xdp | typeof tc, family: Family): Case => ({
    name: `${at.hook} IPv${family} not ours`,
    stream: { ...at, ...to(family, 1), destination: ELSEWHERE[family] },
    gate: 6,
  });
  const line = (flows: number): Case => {
    return { name: `one line of the table, ${flows} flows`, stream: { ...xdp, ...to(4, flows), program: 'line_xdp' } };
  };
  const tunnels = (family: Family): Case[] =>
    sizes.map((flows, i) => {
      const stream = { ...xdp, ...to(family, flows, TUNNEL_PORT), outer: OUTER[family] };
      const name = `xdp ${family === 4 ? 'IPIP' : 'IP6IP6'} TCP, ${flows} flows`;
      return { name, stream, before: [stream], ...(family === 4 && i === 1 ? { gate: 35 } : {}) };
    });
  const exact: Stream = { ...xdp, ...to(4, EXACT_FLOWS, EXACT_PORT) };
  const udp: Stream = { ...xdp, ...to(4, 65_536), protocol: 'udp' };
  return [
    ...sizes.map(line),
    others(xdp, 4),
    others(xdp, 6),
    others(tc, 4),
    ...established(xdp, 4),
    ...established(xdp, 6),
    ...established(tc, 4),
    ...replies(4),
    ...replies(6),
    ...tunnels(4),
    ...tunnels(6),
    { name: 'xdp IPv4 UDP, 65536 flows', stream: udp, before: [udp], gate: 30 },
    { name: `xdp IPv4 TCP tracked exactly, ${EXACT_FLOWS} flows`, stream: exact, before: [exact] },
  ];
}

async function measured(plane: TestPlane, { name, stream, before = [], gate }: Case): Promise<string[]> {
  plane.forgetFlows();
  for (const one of before) await pass(one, 3);
  const result = await measure(stream);
  if (stream.outer && result.verdict !== XDP_TX) throw new Error(`${name}: not sent, but ${result.verdict}`);
  return row(name, result, gate);
}

/** New flows for ever, four for each entry of the table: every packet finds its set full, and one gives way to it. */
async function inserts(plane: TestPlane): Promise<string[][]> {
  const of = (family: Family): Stream => ({
    ...{ hook: 'xdp', program: plane.pinOf('programs', 'xdp_ingress') },
    ...{ source: CLIENT[family], destination: VIP[family], client: 'source', flows: TRACKED * 4, flags: 'S' },
  });
  const rows: string[][] = [];
  plane.forgetFlows();
  await pass(of(4));
  const alone = await measure(of(4));
  rows.push(row('xdp IPv4 SYN, table full', alone, 25));
  if (cpus().length > 1) {
    const both = await measure(of(4), true);
    rows.push(row('  the other CPU inserting too', { ...both, net: both.all }, median(alone.all)));
  }
  rows.push(row('xdp IPv6 SYN, table full', await measure(of(6)), 25));
  return rows;
}

function row(name: string, { net, floor, verdict }: Measured, gate?: number): string[] {
  if (verdict !== 2 && verdict !== 3 && verdict !== -1) throw new Error(`${name}: the program answered ${verdict}`);
  const value = median(net);
  const figures = [value.toFixed(1), quartiles(net), median(floor).toFixed(1)];
  if (gate === undefined) return [name, ...figures, '', ''];
  const over = value - gate;
  return [name, ...figures, `≤ ${gate.toFixed(0)}`, over <= 0.5 ? 'met' : `missed by ${over.toFixed(1)}`];
}

function memory(plane: TestPlane): string {
  const show = execFileSync('bpftool', ['--json', 'map', 'show', 'pinned', plane.pinOf('maps', 'flows')]);
  const bytes = (JSON.parse(show.toString()) as { bytes_memlock: number }).bytes_memlock;
  const perMillion = ((bytes / TRACKED) * 1e6) / (1 << 20);
  return `flow table: ${perMillion.toFixed(1)} MB a million flows (aim ≤ 16: ${perMillion <= 16 ? 'met' : 'missed'})`;
}
