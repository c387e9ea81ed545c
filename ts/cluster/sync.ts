import { type Entry, isLater } from './entry.js';
import { type NodeId, nodeIdOf, publicKeyOf } from './identity.js';
import type { Holding, Outcome, Replica } from './replica.js';
import type { HoldingsMessage, SyncMessage } from './wire.js';

/**
 * Two replicas made equal, in five messages at most, of which all but the first two are needed only where they differ:
 *
 *   A → B  hash of the whole                     B → A  done, or a hash for each owner
 *   A → B  for each owner that differs, what A holds
 *   B → A  what is later at B, and what it wants B → A …last with `done`
 *   A → B  what was wanted, last with `done`
 *
 * Ages travel along, so that nobody takes a dead node for one that was just heard.
 */
export interface Side {
  readonly replica: Replica;
  /** Milliseconds of the steady clock. */
  now(): number;
  /** Of an owner that is silent for longer nothing is taken any more, or it would never be forgotten everywhere. */
  readonly forgetMs: number;
  /** Every entry the other side sends goes through here, with the time its owner said it. */
  received(outcome: Outcome, heard: number): void;
}

/** One message after the other, each whole; rejects when the other side is gone or says nothing for too long. */
export interface Line {
  send(message: SyncMessage): Promise<void>;
  receive(): Promise<SyncMessage>;
}

/** Entries in one message, in bytes: small enough to be interleaved with heartbeats. */
const CHUNK_BYTES = 128 << 10;

/** Entries one side lists in a round. */
const MAX_HELD = 50_000;

/** The side that begins. Resolves to whether anything differed. */
export async function compare(side: Side, line: Line): Promise<boolean> {
  await line.send({ whole: side.replica.whole() });
  const { done, digests = [] } = await line.receive();
  if (done) return false;
  await line.send({ have: differing(side, digests) });
  const want = await takeIn(side, line, agesOf(digests));
  await handOut(wanted(side, want), line, []);
  return true;
}

/** The side that is asked. */
export async function answer(side: Side, line: Line): Promise<void> {
  const { whole } = await line.receive();
  if (Buffer.from(whole ?? []).equals(side.replica.whole())) return line.send({ done: true });
  const now = side.now();
  const digests = Array.from(side.replica.holdings(), (holding) => {
    return { owner: publicKeyOf(holding.owner)!, hash: holding.hash, ageS: ageOf(holding, now) };
  });
  await line.send({ digests });
  const { have = [] } = await line.receive();
  const { later, want } = versus(side, have);
  await handOut(later, line, want);
  await takeIn(side, line, agesOf(have));
}

/** What this side holds of every owner the two do not agree about. */
function differing(side: Side, digests: NonNullable<SyncMessage['digests']>): HoldingsMessage[] {
  const theirs = new Map(digests.map((digest) => [nodeIdOf(digest.owner), digest]));
  const now = side.now();
  const mine = [...side.replica.holdings()].filter(({ owner, hash }) => {
    const other = theirs.get(owner);
    return !other || !Buffer.from(other.hash).equals(hash);
  });
  const unknown = digests.filter(
    ({ owner, ageS }) => !isForgotten(side, ageS) && !side.replica.holding(nodeIdOf(owner)),
  );
  const have: HoldingsMessage[] = unknown.map(({ owner }) => ({ owner, ageS: UNHEARD_S, held: [] }));
  let room = MAX_HELD;
  for (const holding of mine) {
    room -= holding.entries.size;
    if (room < 0 && have.length > 0) break; // the others another time
    have.push(holdingsMessage(holding, now));
  }
  return have;
}

function holdingsMessage(holding: Holding, now: number): HoldingsMessage {
  const held = Array.from(holding.entries.values(), ({ message: { key, incarnation, version } }) => {
    return { key, incarnation, version };
  });
  return { owner: publicKeyOf(holding.owner)!, ageS: ageOf(holding, now), held };
}

/** What is later here than there, and what there is later. */
function versus(side: Side, have: readonly HoldingsMessage[]) {
  // What there is no room for would come in vain, and again at every comparison.
  const room = side.replica.limits.entriesPerOwner;
  const later: Entry[] = [];
  const want: { owner: Uint8Array; keys: string[] }[] = [];
  const seen = new Set<NodeId>();
  for (const { owner, ageS, held } of have) {
    const id = nodeIdOf(owner);
    // Named twice it would be sent twice, and so on.
    if (seen.has(id)) continue;
    seen.add(id);
    const theirs = new Map(held.map((one) => [one.key, one]));
    const mine = side.replica.holding(id)?.entries ?? new Map<string, Entry>();
    for (const entry of mine.values()) {
      const other = theirs.get(entry.message.key);
      if (other ? isLater(entry.message, other) : theirs.size < room) later.push(entry);
    }
    const keys = held.filter((one) => {
      const own = mine.get(one.key);
      return own ? isLater(one, own.message) : mine.size < room;
    });
    if (keys.length > 0 && !isForgotten(side, ageS)) want.push({ owner, keys: keys.map(({ key }) => key) });
  }
  return { later, want };
}

function wanted(side: Side, want: NonNullable<SyncMessage['want']>): readonly Entry[] {
  const entries = want.flatMap(({ owner, keys }) => {
    const mine = side.replica.holding(nodeIdOf(owner))?.entries;
    return [...new Set(keys)].flatMap((key) => mine?.get(key) ?? []);
  });
  return [...new Set(entries)];
}

/** In pieces; an owner's entry about itself last: what its floor voids must have been replaced by then. */
async function handOut(entries: readonly Entry[], line: Line, want: NonNullable<SyncMessage['want']>): Promise<void> {
  const sorted = entries.toSorted((a, b) => Number(a.message.key === '') - Number(b.message.key === ''));
  let chunk: Entry[] = [];
  let bytes = 0;
  for (const entry of sorted) {
    chunk.push(entry);
    bytes += entry.bytes;
    if (bytes < CHUNK_BYTES) continue;
    await line.send({ entries: chunk.map(({ signed }) => signed) });
    [chunk, bytes] = [[], 0];
  }
  await line.send({ entries: chunk.map(({ signed }) => signed), want, done: true });
}

/** Resolves to what the other side wants. */
async function takeIn(side: Side, line: Line, ages: Ages): Promise<NonNullable<SyncMessage['want']>> {
  const heard = (owner: NodeId) => side.now() - (ages.get(owner) ?? 0) * 1000;
  for (;;) {
    const { entries = [], want = [], done } = await line.receive();
    for (const signed of entries) {
      const outcome = side.replica.accept(signed, heard);
      side.received(outcome, outcome.kind === 'new' ? heard(outcome.entry.owner) : side.now());
    }
    if (done) return want;
  }
}

type Ages = ReadonlyMap<NodeId, number>;

function agesOf(list: readonly { readonly owner: Uint8Array; readonly ageS: number }[]): Ages {
  return new Map(list.map(({ owner, ageS }) => [nodeIdOf(owner), ageS]));
}

function isForgotten(side: Side, ageS: number): boolean {
  return ageS * 1000 > side.forgetMs;
}

/** About ten years. */
const UNHEARD_S = 300_000_000;

function ageOf({ heard }: Holding, now: number): number {
  return Math.max(0, Math.min(UNHEARD_S, Math.round((now - heard) / 1000)));
}
