import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { Replica, replicaLimits } from '../../../ts/cluster/replica.js';
import { readSnapshot, writeSnapshot } from '../../../ts/cluster/snapshot.js';
import { answer, compare, type Line, type Side } from '../../../ts/cluster/sync.js';
import { type EntryMessage, entryCodec, syncCodec } from '../../../ts/cluster/wire.js';
import { clusterId, codec, identity, vipMessage, Writer } from './writer.js';

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
const FORGET_MS = 2_000_000;

function side(replica: Replica): Side {
  return { replica, now: () => NOW, forgetMs: FORGET_MS, received: () => {} };
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

test('of a node that is to be forgotten nothing is taken any more, whichever side knows it', async (t) => {
  const owners = async (heard: number) => {
    const [a, b] = [new Replica(codec), new Replica(codec)];
    a.accept(writers[0]!.node(1, 1), heard);
    b.accept(writers[1]!.node(1, 1), heard);
    a.accept(writers[2]!.node(1, 1), NOW);
    await level(a, b);
    return [a.size().owners, b.size().owners];
  };
  t.deepEqual(await owners(NOW - FORGET_MS + 2_000), [3, 3]);
  t.deepEqual(await owners(NOW - FORGET_MS - 2_000), [2, 2]);
});

test('who asks for one thing many times gets it once', async (t) => {
  const replica = new Replica(codec);
  for (let i = 1; i <= 3; i++) replica.accept(writers[0]!.vip(`tcp/11.0.0.${i}:80`, 1, i), 0);
  replica.accept(writers[1]!.vip('tcp/11.0.0.1:80', 1, 1), 0);
  const { ends } = wire();
  const owner = writers[0]!.identity.publicKey;
  const answered = answer(side(replica), ends[1]);
  await ends[0].send({ whole: new Uint8Array(8) });
  await ends[0].receive();
  await ends[0].send({ have: Array.from({ length: 1000 }, () => ({ owner, ageS: 0, held: [] })) });
  t.is((await ends[0].receive()).entries!.length, 3);
  await ends[0].send({ done: true });
  await answered;

  const asking = wire();
  const compared = compare(side(replica), asking.ends[0]);
  await asking.ends[1].receive();
  await asking.ends[1].send({ digests: [] });
  await asking.ends[1].receive();
  const want = Array.from({ length: 100 }, () => ({ owner, keys: Array(100).fill('tcp/11.0.0.1:80') as string[] }));
  await asking.ends[1].send({ want, done: true });
  t.is((await asking.ends[1].receive()).entries!.length, 1);
  await compared;
});

test('of two that have each other parts of too much, neither sends what has no room', async (t) => {
  const limits = { ...replicaLimits, entriesPerOwner: 3 };
  const [a, b] = [new Replica(codec, limits), new Replica(codec, limits)];
  for (let i = 1; i <= 3; i++) a.accept(writers[0]!.vip(`tcp/11.0.0.${i}:80`, 1, i), 0);
  for (let i = 4; i <= 6; i++) b.accept(writers[0]!.vip(`tcp/11.0.0.${i}:80`, 1, i), 0);
  const outcomes: string[] = [];
  const { ends } = wire();
  const of = (replica: Replica): Side => ({ ...side(replica), received: ({ kind }) => outcomes.push(kind) });
  await Promise.all([compare(of(a), ends[0]), answer(of(b), ends[1])]);
  t.deepEqual(outcomes, []);
});

test('fields of a later release pass through an older node, its disk and its comparisons, with their signature', async (t) => {
  const [{ identity: later }] = writers as [Writer];
  const known = entryCodec.encode({
    ...{ schema: 9, owner: later.publicKey, incarnation: 1, version: 1, key: 'tcp/11.0.0.1:80', gone: false },
    vip: vipMessage('tcp/11.0.0.1:80'),
  } satisfies EntryMessage);
  // Field 99, a text.
  const entry = Buffer.concat([known, Buffer.from([0x9a, 0x06, 0x03]), Buffer.from('new')]);
  const signature = later.sign(Buffer.concat([Buffer.from(`vipd-entry-1\0${clusterId}\0`), entry]));
  const older = new Replica(codec);
  t.is(older.accept({ entry, signature }, 0).kind, 'new');
  const directory = mkdtempSync(join(tmpdir(), 'vipd-sync-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  await writeSnapshot(join(directory, 'snapshot'), 1, older);
  const restarted = new Replica(codec);
  for (const { signed, at } of (await readSnapshot(join(directory, 'snapshot'))).kept) restarted.accept(signed, at);
  const third = new Replica(codec);
  t.true((await level(restarted, third)).differed);
  const arrived = third.holding(later.id)!.entries.get('tcp/11.0.0.1:80')!;
  t.deepEqual(Buffer.from(arrived.signed.entry), entry);
  t.deepEqual(Buffer.from(arrived.signed.signature), signature);
});
