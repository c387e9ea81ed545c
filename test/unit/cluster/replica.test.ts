import test from 'ava';
import fc from 'fast-check';
import { EntryCodec } from '../../../ts/cluster/entry.js';
import { nodeIdOf, publicKeyOf, Verifier } from '../../../ts/cluster/identity.js';
import { Replica } from '../../../ts/cluster/replica.js';
import type { SignedMessage } from '../../../ts/cluster/wire.js';
import { clusterId, codec, identity, Writer } from './writer.js';

const writer = new Writer(identity(1));
const other = new Writer(identity(2));
const KEY = 'tcp/11.0.0.1:80';

function replicaOf(...entries: readonly SignedMessage[]): Replica {
  const replica = new Replica(codec);
  for (const signed of entries) replica.accept(signed, 0);
  return replica;
}

const contents = (replica: Replica) =>
  [...replica.holdings()]
    .flatMap(({ entries }) =>
      Array.from(
        entries.values(),
        ({ owner, message: m }) => `${owner} ${m.key} ${m.incarnation} ${m.version} ${m.gone}`,
      ),
    )
    .sort();

test('of two entries the later counts, by incarnation, then by version', (t) => {
  const replica = replicaOf(writer.vip(KEY, 1, 5));
  t.is(replica.accept(writer.vip(KEY, 1, 4), 0).kind, 'old');
  t.is(replica.accept(writer.vip(KEY, 1, 5), 0).kind, 'old');
  t.is(replica.accept(writer.vip(KEY, 1, 6), 0).kind, 'new');
  t.is(replica.accept(writer.vip(KEY, 2, 1), 0).kind, 'new');
  t.is(replica.accept(writer.vip(KEY, 1, 99), 0).kind, 'old');
});

test('what its owner has not signed for this cluster is bad', (t) => {
  const mine = writer.vip(KEY, 1, 1);
  const forged = { ...mine, signature: other.vip(KEY, 1, 1).signature };
  const foreign = new Writer(identity(1), new EntryCodec('ffffffffffffffff', new Verifier())).vip(KEY, 1, 1);
  for (const signed of [forged, foreign]) {
    const outcome = replicaOf().accept(signed, 0);
    t.is(outcome.kind === 'bad' && outcome.bad.code, 'SIGNATURE_INVALID');
  }
});

test('rubbish is named as such', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 80 }), (entry, signature) => {
      t.is(replicaOf().accept({ entry, signature }, 0).kind, 'bad');
    }),
  );
  const large = replicaOf().accept({ entry: new Uint8Array(600 << 10), signature: new Uint8Array(64) }, 0);
  t.is(large.kind === 'bad' && large.bad.code, 'TOO_LARGE');
});

test('entries below the floor of their owner are void, now and later', (t) => {
  const replica = replicaOf(writer.vip(KEY, 1, 1), writer.vip('tcp/11.0.0.2:80', 2, 1));
  const outcome = replica.accept(writer.node(2, 2, { floorIncarnation: 2, floorVersion: 0 }), 0);
  t.deepEqual(outcome.kind === 'new' && outcome.voided.map(({ message }) => message.key), [KEY]);
  t.is(replica.accept(writer.vip(KEY, 1, 9), 0).kind, 'old');
  t.is(replica.size().entries, 2);
});

test('nobody can fill the memory of others', (t) => {
  const replica = new Replica(codec, { owners: 2, entriesPerOwner: 3, bytesPerOwner: 10_000, bytes: 1 << 20 });
  const over = (signed: SignedMessage) => {
    const outcome = replica.accept(signed, 0);
    return outcome.kind === 'bad' ? outcome.bad.code : outcome.kind;
  };
  for (let i = 1; i <= 3; i++) t.is(over(writer.vip(`tcp/11.0.0.${i}:80`, 1, i)), 'new');
  t.is(over(writer.vip('tcp/11.0.0.4:80', 1, 4)), 'OVER_LIMIT');
  t.is(over(writer.vip('tcp/11.0.0.1:80', 1, 5)), 'new', 'what is known can still change');
  t.is(over(writer.vip('tcp/11.0.0.1:80', 1, 6, { policy: 'x'.repeat(20_000) })), 'OVER_LIMIT');
  t.is(over(other.node(1, 1)), 'new');
  t.is(over(new Writer(identity(3)).node(1, 1)), 'OVER_LIMIT');
});

test('all together have their bounds, within which each may have its even share', (t) => {
  const replica = new Replica(codec, { owners: 4, entriesPerOwner: 100, bytesPerOwner: 100_000, bytes: 20_000 });
  const large = (of: Writer, version: number, bytes: number) =>
    replica.accept(of.vip(`tcp/11.0.0.${version}:80`, 1, version, { policy: 'x'.repeat(bytes) }), 0).kind;
  const third = new Writer(identity(3));
  t.is(large(writer, 1, 9_000), 'new');
  t.is(large(other, 1, 9_500), 'new');
  t.is(large(writer, 2, 2_000), 'bad');
  t.is(large(third, 1, 4_000), 'new', 'less than a fourth');
  t.is(large(third, 2, 4_000), 'bad');
  t.is(large(writer, 1, 100), 'old');
  t.is(replica.accept(writer.gone('tcp/11.0.0.1:80', 1, 9), 0).kind, 'new', 'what makes it less always has room');
  replica.forget(other.identity.id);
  t.true(replica.size().bytes < 5_000);
  t.is(large(writer, 10, 9_000), 'new');
});

test('the hash tells whether two replicas hold the same, however it came', (t) => {
  const key = fc.constantFrom('tcp/11.0.0.1:80', 'tcp/11.0.0.2:80', 'udp/11.0.0.1:80');
  const step = fc.record({
    who: fc.constantFrom(writer, other),
    key,
    version: fc.integer({ min: 1, max: 6 }),
    gone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer(), (steps, seed) => {
      // One writer never says two things under one number.
      const said = new Map(steps.map((one) => [`${one.who.identity.id} ${one.version}`, one]));
      const entries = [...said.values()].map((s) =>
        s.gone ? s.who.gone(s.key, 1, s.version) : s.who.vip(s.key, 1, s.version),
      );
      const shuffled = entries
        .map((one, i) => ({ one, at: Math.sin(seed + i) }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      const [a, b] = [replicaOf(...entries), replicaOf(...shuffled, ...entries)];
      t.deepEqual(contents(a), contents(b));
      t.deepEqual(a.whole(), b.whole());
    }),
    { numRuns: 50 },
  );
  t.notDeepEqual(replicaOf(writer.vip(KEY, 1, 1)).whole(), replicaOf(writer.vip(KEY, 1, 2)).whole());
});

test('what a later version of the schema adds is handed on', (t) => {
  const signed = writer.vip(KEY, 1, 1);
  // Field 99, a text: of a version to come.
  const extended = Buffer.concat([signed.entry, Buffer.from([0x9a, 0x06, 0x03]), Buffer.from('new')]);
  const signature = writer.identity.sign(Buffer.concat([Buffer.from(`vipd-entry-1\0${clusterId}\0`), extended]));
  const replica = replicaOf({ entry: extended, signature });
  const kept = replica.holding(writer.identity.id)!.entries.get(KEY)!;
  t.is(kept.message.vip!.service, 'web');
  t.deepEqual(Buffer.from(kept.signed.entry), extended);
});

test('an id and a public key are two forms of one thing', (t) => {
  const { id, publicKey } = identity(7);
  t.regex(id, /^12D3KooW/);
  t.deepEqual(Buffer.from(publicKeyOf(id)!), Buffer.from(publicKey));
  t.is(nodeIdOf(publicKey), id);
  t.is(publicKeyOf('12D3KooWnonsense'), undefined);
});
