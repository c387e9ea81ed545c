import { EntryCodec } from '../../ts/cluster/entry.js';
import { degree } from '../../ts/cluster/gossip/mesh.js';
import { Identity, Verifier } from '../../ts/cluster/identity.js';
import { Membership } from '../../ts/cluster/membership.js';
import { Replica } from '../../ts/cluster/replica.js';
import { RemoteServices } from '../../ts/cluster/services.js';
import { batchCodec, type SignedMessage } from '../../ts/cluster/wire.js';
import { nodeMessage, vipMessage, Writer } from '../unit/cluster/writer.js';
import type { Say } from './record.js';
import { table } from './statistics.js';

const sizes = [100, 300, 1000];
const vips = 1000;
const backendsOfAVip = 10;
/** From one node to another of a site, milliseconds. */
const LINK_MS = 0.5;
/** Copies of a message gossip sends on beside the first; its mesh has this many peers. */
const MESH = 4;
const codec = new EntryCodec('0123456789abcdef', new Verifier());

/**
 * A cluster too large for one machine, worked out: one real replica with all entries of `size` nodes, what a change costs
 * there, and the way of one message through a random mesh where every node needs that long for every copy. `changeMs`:
 * CPU that a change costs a node with transport, encryption and gossip, where that was measured.
 */
export function spread(say: Say, changeMs = 0): void {
  const rows = sizes.map((size) => {
    const { replica, writers } = filled(size);
    const cost = costOf(replica, writers);
    const way = flood(size, cost.acceptMs, cost.repeatMs);
    return [
      String(size),
      way.p50.toFixed(0),
      way.last.toFixed(0),
      (way.messages / size).toFixed(1),
      ((way.messages / size) * cost.bytes).toFixed(0),
      cost.acceptMs.toFixed(2),
      cost.viewMs.toFixed(1),
      (1000 / Math.max(changeMs, cost.acceptMs + (MESH - 1) * cost.repeatMs)).toFixed(0),
      (cost.heldBytes / 2 ** 20).toFixed(1),
      ((size * 46) / 1024).toFixed(0),
    ];
  });
  const head = [
    'nodes',
    'p50 ms',
    'last ms',
    'copies/node',
    'B/node',
    'accept ms',
    'view ms',
    'changes/s',
    'state MiB',
    'digest KiB',
  ];
  say(`${table([head, ...rows])}\n`);
  say(
    `worked out, not run: ${vips} VIPs of ${backendsOfAVip} backends spread over the nodes; measured: to check and keep one`,
  );
  say(
    'entry, to rebuild the view after it. changes/s is the limit of the cluster: every node receives and checks every',
  );
  say(
    `change of all others, so one core of each is the bound, ${changeMs > 0 ? `at ${changeMs.toFixed(2)} ms a change as measured above` : 'by the checks alone'}; more nodes do not move it\n`,
  );
}

interface Filled {
  readonly replica: Replica;
  readonly writers: readonly Writer[];
}

function filled(size: number): Filled {
  const replica = new Replica(codec);
  const writers = Array.from({ length: size }, () => new Writer(Identity.random(), codec));
  writers.forEach((writer, i) => {
    for (const signed of entriesOf(writer, i, size)) replica.accept(signed, 0);
  });
  return { replica, writers };
}

/** Of node `i`: its share of all backends, one entry for each VIP it has one of. */
function* entriesOf(writer: Writer, i: number, size: number): Generator<SignedMessage> {
  let version = 0;
  for (let n = i; n < vips * backendsOfAVip; n += size) {
    const key = keyOf(Math.floor(n / backendsOfAVip)); // its backends are on ten nodes in a row
    yield writer.vip(key, 1, ++version, vip(key, i));
  }
  yield writer.node(1, ++version, { ...nodeMessage, name: `n${i}`, addresses: [addressOf(i)] });
}

const keyOf = (n: number) => `tcp/11.0.${n >> 8}.${n & 255}:80`;
const addressOf = (i: number) => `10.1.${i >> 8}.${i & 255}`;
const vip = (key: string, i: number) => ({
  ...vipMessage(key),
  backends: [{ address: addressOf(i), port: 8080, weight: 1, health: 1, reason: 'healthy' }],
});

function costOf(replica: Replica, writers: readonly Writer[]) {
  const changes = Array.from({ length: 200 }, (_, n) => {
    const i = n % writers.length;
    const key = keyOf(Math.floor(n / backendsOfAVip));
    return writers[i]!.vip(key, 1, 50_000 + n, vip(key, i));
  });
  const acceptAll = () => {
    for (const signed of changes) replica.accept(signed, 0);
  };
  const accept = timed(acceptAll);
  const repeat = timed(acceptAll); // all are known by then
  const membership = new Membership();
  const direct = new Set(writers.map(({ identity }) => identity.id));
  membership.update({
    self: 'x',
    holdings: replica.holdings(),
    direct,
    confirmed: direct,
    allow: undefined,
    now: 1,
    wall: 1,
  });
  const services = new RemoteServices();
  const inputs = {
    self: 'x',
    addresses: [],
    members: membership.members(),
    holding: (id: string) => replica.holding(id),
    alone: false,
    room: { vips: 8192, backends: 32_768 },
  };
  services.update(inputs);
  replica.accept(writers[0]!.vip(keyOf(0), 1, 90_000, vip(keyOf(0), 0)), 0);
  const viewMs = timed(() => services.update(inputs));
  const bytes = batchCodec.encode({ entries: [changes[0]!] }).length;
  return {
    acceptMs: accept / changes.length,
    repeatMs: repeat / changes.length,
    viewMs,
    bytes,
    heldBytes: replica.size().bytes,
  };
}

function timed(run: () => void): number {
  const begun = performance.now();
  run();
  return performance.now() - begun;
}

/** One message through a random mesh; a node hands it on when it has checked it, and repeats cost it time too. */
function flood(size: number, acceptMs: number, repeatMs: number) {
  const mesh = randomMesh(size);
  const arrival = new Map<number, number>([[0, 0]]);
  const busyUntil = new Float64Array(size);
  let queue: [at: number, to: number, from: number][] = mesh[0]!.map((peer) => [LINK_MS, peer, 0]);
  let messages = queue.length;
  while (queue.length > 0) {
    queue.sort((a, b) => a[0] - b[0]);
    const [at, to, from] = queue.shift()!;
    const begun = Math.max(at, busyUntil[to]!);
    const isNew = !arrival.has(to);
    const done = begun + (isNew ? acceptMs : repeatMs);
    busyUntil[to] = done;
    if (!isNew) continue;
    arrival.set(to, done);
    const next = mesh[to]!.filter((peer) => peer !== from);
    messages += next.length;
    queue = queue.concat(next.map((peer) => [done + LINK_MS, peer, to]));
  }
  const times = [...arrival.values()].sort((a, b) => a - b);
  return { p50: times[times.length >> 1]!, last: times.at(-1)!, messages };
}

function randomMesh(size: number): readonly (readonly number[])[] {
  const peers = Array.from({ length: size }, () => new Set<number>());
  for (let i = 0; i < size; i++) {
    for (let tries = 0; peers[i]!.size < MESH && tries < 100; tries++) {
      const other = Math.floor(Math.random() * size);
      if (other === i || peers[other]!.size >= degree.most) continue;
      peers[i]!.add(other);
      peers[other]!.add(i);
    }
  }
  return peers.map((set) => [...set]);
}
