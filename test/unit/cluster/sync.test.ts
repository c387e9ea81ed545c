import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { Replica } from '../../../ts/cluster/replica.js';
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
