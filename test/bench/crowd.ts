import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntryCodec } from '../../ts/cluster/entry.js';
import { Gossip } from '../../ts/cluster/gossip/gossip.js';
import { surviveLateWrites } from '../../ts/cluster/gossip/latewrites.js';
import { gossipTiming } from '../../ts/cluster/gossip/setup.js';
import { Identity, publicKeyOf, Verifier } from '../../ts/cluster/identity.js';
import { entryCodec } from '../../ts/cluster/wire.js';
import { until } from '../../ts/quickstart/until.js';
import type { Owner } from '../helpers/lab.js';
import { nodeMessage, vipMessage, Writer } from '../unit/cluster/writer.js';
import type { Say } from './record.js';
import { table } from './statistics.js';

const CLUSTER = '00000000000000bb';
/** So that filling takes no longer than measuring; what a change costs does not depend on how many are held. */
const VIPS = 100;
const BACKENDS = 10;
const CHANGES = 40;
const PATIENCE_MS = 300_000;
const FIRST_PORT = 21_000;
const keyOf = (n: number) => `tcp/11.0.${n >> 8}.${n & 255}:80`;
const addressOf = (i: number) => `10.1.${i >> 8}.${i & 255}`;

/** A node without a kernel: the real libraries, and what it must say of itself for the others to find their way. */
class Station {
  readonly identity = Identity.random();
  readonly reach: string;
  readonly store: Gossip;
  readonly #writer = new Writer(this.identity, new EntryCodec(CLUSTER, new Verifier()));
  #version = 0;
  #speech: NodeJS.Timeout | undefined;
  /** When the change that is waited for arrived. */
  arrived: number | undefined;
  awaited: { readonly owner: Uint8Array; readonly version: number } | undefined;

  constructor(readonly number: number) {
    this.reach = `127.0.0.1:${FIRST_PORT + number}`;
    this.store = new Gossip({
      seed: this.identity.seed,
      clusterId: CLUSTER,
      clusterKeys: [new Uint8Array(32).fill(7)],
      listen: { address: '127.0.0.1', port: FIRST_PORT + number },
      seeds: [0, 1, 2].map((n) => `127.0.0.1:${FIRST_PORT + n}`),
      timing: gossipTiming,
    });
  }

  async open(size: number): Promise<void> {
    await this.store.open({
      heard: (entries) => {
        const { awaited } = this;
        if (!awaited || this.arrived !== undefined) return;
        for (const { signed } of entries) {
          const { owner, version } = entryCodec.decode(signed.entry);
          if (version === awaited.version && Buffer.from(owner).equals(awaited.owner)) this.arrived = performance.now();
        }
      },
      neighbours: () => this.speak(),
      fault: () => {},
    });
    const share = [];
    for (let n = this.number; n < VIPS * BACKENDS; n += size) share.push(this.#vip(Math.floor(n / BACKENDS)));
    this.store.put(share);
    this.speak();
  }

  /** Who its neighbours are; what changes at once is said at once. */
  speak(): void {
    this.#speech ??= setTimeout(() => {
      this.#speech = undefined;
      const neighbours = this.store.neighbours().flatMap(({ id }) => publicKeyOf(id) ?? []);
      const own = { name: `n${this.number}`, addresses: [addressOf(this.number)], reach: [this.reach], neighbours };
      this.#version += 1;
      this.store.put([this.#writer.node(1, this.#version, { ...nodeMessage, ...own })]);
    }, 1_000);
  }

  async close(): Promise<void> {
    clearTimeout(this.#speech);
    await this.store.close();
  }

  /** Changes one of its VIPs; the version says which change it is. */
  change(): number {
    this.store.put([this.#vip(Math.floor(this.number / BACKENDS))]);
    return this.#version;
  }

  #vip(n: number) {
    this.#version += 1;
    const backend = { address: addressOf(this.number), port: 8080, weight: 1, health: 1, reason: 'healthy' };
    return this.#writer.vip(keyOf(n), 1, this.#version, { ...vipMessage(keyOf(n)), backends: [backend] });
  }
}

/**
 * Clusters with the real libraries in one process, which hold 100 VIPs of 10 backends between them: how long one change
 * takes to be with everybody, and what it costs a node. Resolves to the CPU a change costs a node of the largest, ms.
 */
export async function crowd(owner: Owner, sizes: readonly number[], say: Say): Promise<number> {
  surviveLateWrites();
  const rows: string[][] = [];
  let cost = Number.NaN;
  for (const size of sizes) {
    const stations = Array.from({ length: size }, (_, i) => new Station(i));
    let closed: Promise<unknown> | undefined;
    const close = () => (closed ??= Promise.all(stations.map((one) => one.close())));
    owner.teardown(async () => void (await close()));
    for (const one of stations) await one.open(size);
    const begun = performance.now();
    await everything(stations);
    const filled = (performance.now() - begun) / 1000;
    const { times, cpuMs, messages, bytes } = await changes(stations);
    cost = cpuMs;
    const at = (share: number) => times[Math.floor((times.length - 1) * share)]!.toFixed(0);
    rows.push([
      String(size),
      filled.toFixed(1),
      at(0.5),
      at(0.99),
      messages.toFixed(1),
      bytes.toFixed(0),
      cpuMs.toFixed(2),
    ]);
    await close();
  }
  say(`${table([['nodes', 'fill s', 'p50 ms', 'p99 ms', 'messages/node', 'B/node', 'CPU ms/node'], ...rows])}\n`);
  say(
    'run in one process, so all nodes share its one thread: times are upper bounds; a change is one entry of one VIP\n',
  );
  return cost;
}

/** Waits until every node holds every entry of all. */
function everything(stations: readonly Station[]): Promise<unknown> {
  const entries = VIPS * BACKENDS + stations.length;
  return Promise.all(
    stations.map(({ store, number }) =>
      until(`all entries on node ${number}`, PATIENCE_MS, async () => {
        await sleep(200);
        return (await store.stats()).gauges.entries === entries;
      }),
    ),
  );
}

async function changes(stations: readonly Station[]) {
  const times: number[] = [];
  const idle = await over(stations, () => sleep(10_000));
  const busy = await over(stations, async () => {
    for (let n = 0; n < CHANGES; n += 1) times.push(...(await oneChange(stations, n)));
  });
  const each = (of: (one: Spent) => number) => (of(busy) - (of(idle) / idle.ms) * busy.ms) / CHANGES / stations.length;
  const measured = { cpuMs: each(({ cpu }) => cpu), messages: each(({ messages }) => messages) };
  return { ...measured, bytes: each(({ bytes }) => bytes), times: times.sort((a, b) => a - b) };
}

async function oneChange(stations: readonly Station[], n: number): Promise<readonly number[]> {
  const changing = stations[n % stations.length]!;
  const others = stations.filter((one) => one !== changing);
  const begun = performance.now();
  const version = changing.change();
  for (const one of others) {
    one.arrived = undefined;
    one.awaited = { owner: changing.identity.publicKey, version };
  }
  await until('a change everywhere', PATIENCE_MS, () => others.every(({ arrived }) => arrived !== undefined));
  return others.map(({ arrived }) => arrived! - begun);
}

interface Spent {
  readonly ms: number;
  readonly cpu: number;
  readonly messages: number;
  readonly bytes: number;
}

/** What all nodes together spend meanwhile; messages are those of gossip, repeats among them not counted. */
async function over(stations: readonly Station[], run: () => Promise<unknown>): Promise<Spent> {
  const sum = async () => {
    const all = await Promise.all(stations.map(({ store }) => store.stats()));
    return all.reduce((total, { counters }) => total + counters.received!, 0);
  };
  const [messages, bytes, cpu, begun] = [await sum(), loopbackBytes(), process.cpuUsage(), performance.now()];
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return {
    ms: performance.now() - begun,
    cpu: (user + system) / 1000,
    messages: (await sum()) - messages,
    bytes: loopbackBytes() - bytes,
  };
}

/** Received so far on the loopback interface, with all headers; proc(5). */
function loopbackBytes(): number {
  return Number(/^\s*lo:\s*(\d+)/m.exec(readFileSync('/proc/self/net/dev', 'utf8'))?.[1]);
}
