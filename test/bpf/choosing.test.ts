import test from 'ava';
import { formatEndpoint } from '../../ts/model/address.js';
import type { Policy, Schedule } from '../../ts/model/policy.js';
import { until } from '../../ts/quickstart/until.js';
import { root, rootTest } from '../helpers/needs.js';
import type { Hook } from './case.js';
import { type Talk, talks } from './cases/talk.js';
import { dissect } from './dissect.js';
import { openPlane, type TestPlane } from './plane.js';
import { program, upsert } from './run.js';

// Whom new connections go to, by the schedule of the VIP. What is chance is held to bounds that five standard deviations
// stay within.

const hooks: readonly Hook[] = ['xdp', 'tc'];
const CONNECTIONS = 1200;

let plane: TestPlane | undefined;
test.before(async () => {
  if (root.there) plane = await openPlane({ flows: 1 << 15 });
});
test.after.always(() => plane?.close());

/** Backends by how many of the connections each was given, from clients `from` on. */
function tally(hook: Hook, talk: Talk, connections: number, from = 0): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = from; i < from + connections; i++) {
    const backend = chosen(hook, talk, clientOf(talk, i));
    counts.set(backend, (counts.get(backend) ?? 0) + 1);
  }
  return counts;
}

function clientOf(talk: Talk, i: number): string {
  const [high, low] = [i >> 8, i & 0xff];
  return talk.family === 4
    ? `192.0.${high}.${low}:40000`
    : `[2001:db8::${high.toString(16)}:${low.toString(16)}]:40000`;
}

function chosen(hook: Hook, talk: Talk, from: string): string {
  const { verdict, data } = plane!.run(hook, 'in', talk.ask('S', { from }).build());
  if (verdict !== 'passed') throw new Error(`${from} is ${verdict}`);
  const { ip, transport } = dissect(data);
  if (ip === undefined || transport === undefined || transport.kind === 'icmp') throw new Error(`${from}: no answer`);
  return formatEndpoint({ address: ip.dst, port: transport.dport });
}

async function serve(talk: Talk, weights: readonly number[], policy: Policy): Promise<void> {
  await plane!.reset();
  const backends = Object.fromEntries(weights.map((weight, i) => [talk.backend(i + 1), weight]));
  await program(plane!, [upsert(talk.key, backends, policy)]);
}

/** Whether a count is what a chance of `p` gives, five standard deviations allowed. */
function near(count: number, p: number): boolean {
  return Math.abs(count - CONNECTIONS * p) < 5 * Math.sqrt(CONNECTIONS * p * (1 - p));
}

const byChance: readonly Schedule[] = ['maglev', 'random'];

for (const hook of hooks) {
  for (const talk of talks) {
    for (const schedule of byChance) {
      rootTest(`${hook}: ${talk.name}: ${schedule} gives each its share by chance`, async (t) => {
        const weights = [1, 2, 5];
        await serve(talk, weights, { schedule });
        const counts = tally(hook, talk, CONNECTIONS);
        const total = weights.reduce((sum, weight) => sum + weight);
        for (const [i, weight] of weights.entries()) {
          const count = counts.get(talk.backend(i + 1)) ?? 0;
          // A slot more or less of 64 is what the table itself may be off.
          t.true(
            near(count, weight / total) || Math.abs(count / CONNECTIONS - weight / total) < 0.04,
            `${i}: ${count}`,
          );
        }
      });
    }

    rootTest(`${hook}: ${talk.name}: round robin goes round`, async (t) => {
      await serve(talk, [1, 1, 1], { schedule: 'round-robin' });
      const firsts = [...Array(3).keys()].map((i) => chosen(hook, talk, clientOf(talk, i)));
      t.is(new Set(firsts).size, 3);
      t.is(chosen(hook, talk, clientOf(talk, 4)), firsts[0]!);
    });

    rootTest(`${hook}: ${talk.name}: round robin by weight`, async (t) => {
      await serve(talk, [1, 2, 5, 0], { schedule: 'round-robin' });
      const counts = tally(hook, talk, 800);
      const expected = [100, 200, 500].map((count, i) => [talk.backend(i + 1), count] as const);
      for (const [backend, count] of expected)
        t.true(Math.abs((counts.get(backend) ?? 0) - count) <= 10, String(backend));
      t.is(counts.size, 3);
    });

    rootTest(`${hook}: ${talk.name}: a client keeps its backend until it has been silent for long`, async (t) => {
      const n = 6;
      await serve(talk, Array(n).fill(1), { schedule: 'round-robin', affinityMs: 60_000 });
      const clients = [...Array(n).keys()];
      const ports = (i: number) => [1, 2, 3].map((port) => clientOf(talk, i).replace(/40000$/, String(port)));
      const homes = clients.map((i) => chosen(hook, talk, clientOf(talk, i)));
      t.is(new Set(homes).size, n);
      for (const i of clients) for (const from of ports(i)) t.is(chosen(hook, talk, from), homes[i]!);
      // The one of the first client goes: it alone moves.
      const left = Object.fromEntries([...Array(n).keys()].map((i) => [talk.backend(i + 1), 1]));
      delete left[homes[0]!];
      await program(plane!, [upsert(talk.key, left, { schedule: 'round-robin', affinityMs: 60_000 })]);
      const again = (i: number) => chosen(hook, talk, clientOf(talk, i).replace(/40000$/, '9'));
      t.not(again(0), homes[0]);
      for (const i of clients.slice(1)) t.is(again(i), homes[i]!);
    });
  }

  rootTest(`${hook}: affinity ends with its time`, async (t) => {
    const talk = talks[0]!;
    await serve(talk, [1, 1], { schedule: 'round-robin', affinityMs: 300 });
    let home = chosen(hook, talk, clientOf(talk, 1));
    let asked = 0;
    // Each time from another port: a flow that is there has its backend already.
    const ask = () => chosen(hook, talk, clientOf(talk, 1).replace(/40000$/, String(++asked)));
    // Asked all the time it never ends; each silence of a second ends it, and half of those give the other one.
    let last = performance.now();
    for (const end = last + 1000; last < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const backend = ask();
      const now = performance.now();
      if (now - last < 250) t.is(backend, home);
      [home, last] = [backend, now];
    }
    await until('the other backend', 20_000, async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      return ask() !== home;
    });
  });
}
