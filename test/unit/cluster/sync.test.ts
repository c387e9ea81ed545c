import test from 'ava';
import fc from 'fast-check';
import { Replica } from '../../../ts/cluster/replica.js';
import { answer, compare, type Line, type Side } from '../../../ts/cluster/sync.js';
import { syncCodec } from '../../../ts/cluster/wire.js';
import { codec, identity, Writer } from './writer.js';

/** Two ends of a wire; everything goes through the bytes of the real messages. */
function wire(): { ends: readonly [Line, Line]; sent: () => number } {
  let messages = 0;
  const queues = [[], []] as { bytes: Uint8Array[]; wake?: () => void }[][] as unknown as [Uint8Array[], Uint8Array[]];
  const wakes: (() => void)[] = [() => {}, () => {}];
  const end = (mine: 0 | 1): Line => ({
    send: async (message) => {
      messages += 1;
      queues[1 - mine]!.push(syncCodec.encode(message));
      wakes[1 - mine]!();
    },
    receive: async () => {
      while (queues[mine].length === 0)
        await new Promise<void>((resolve) => {
          wakes[mine] = resolve;
        });
      return syncCodec.decode(queues[mine].shift()!);
    },
  });
  return { ends: [end(0), end(1)], sent: () => messages };
}

const NOW = 1_000_000;

function side(replica: Replica): Side {
  return { replica, now: () => NOW, received: () => {} };
}

async function level(a: Replica, b: Replica): Promise<{ differed: boolean; messages: number }> {
  const { ends, sent } = wire();
  const [differed] = await Promise.all([compare(side(a), ends[0]), answer(side(b), ends[1])]);
  return { differed, messages: sent() };
}

const writers = [1, 2, 3].map((number) => new Writer(identity(number)));

test('two replicas that hold the same find out in two messages', async (t) => {
  const [a, b] = [new Replica(codec), new Replica(codec)];
  for (const replica of [a, b]) replica.accept(writers[0]!.node(1, 1), 0);
  t.deepEqual(await level(a, b), { differed: false, messages: 2 });
});

test('afterwards both hold the later of everything', async (t) => {
  const step = fc.record({
    who: fc.constantFrom(...writers),
    host: fc.integer({ min: 1, max: 4 }),
    version: fc.integer({ min: 1, max: 20 }),
    at: fc.constantFrom('a', 'b', 'both'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const said = new Map(steps.map((one) => [`${one.who.identity.id} ${one.version}`, one]));
      const [a, b, all] = [new Replica(codec), new Replica(codec), new Replica(codec)];
      for (const { who, host, version, at } of said.values()) {
        const signed = who.vip(`tcp/11.0.0.${host}:80`, 1, version);
        if (at !== 'b') a.accept(signed, 0);
        if (at !== 'a') b.accept(signed, 0);
        all.accept(signed, 0);
      }
      await level(a, b);
      t.deepEqual([a.whole(), b.whole()], [all.whole(), all.whole()]);
    }),
    { numRuns: 60 },
  );
});

test('a node that was heard long ago does not seem fresh to who hears of it now', async (t) => {
  const [a, b] = [new Replica(codec), new Replica(codec)];
  a.accept(writers[0]!.node(1, 1), NOW - 90_000);
  await level(b, a);
  t.is(b.holding(writers[0]!.identity.id)!.heard, NOW - 90_000);
  const c = new Replica(codec);
  await level(a, c);
  t.is(c.holding(writers[0]!.identity.id)!.heard, NOW - 90_000);
});
