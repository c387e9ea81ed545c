import type { SignedMessage } from '../wire.js';

/** Of one gossiped message, bytes. */
const BATCH_BYTES = 48 << 10;

/** Entries in messages of a size that spreads well. */
export function* batches(entries: readonly SignedMessage[]): Generator<readonly SignedMessage[]> {
  let batch: SignedMessage[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.entry.length + entry.signature.length;
    if (batch.length > 0 && bytes + size > BATCH_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(entry);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** What a node counts of its traffic with others, since it was started. */
export function newCounters() {
  return {
    published: 0,
    bytesPublished: 0,
    publishFailures: 0,
    received: 0,
    bytesReceived: 0,
    fresh: 0,
    old: 0,
    bad: 0,
    shut: 0,
    refusedKeys: 0,
    dials: 0,
    dialFailures: 0,
    lost: 0,
    lateWrites: 0,
    comparisons: 0,
    comparisonFailures: 0,
    repairs: 0,
    bytesCompared: 0,
  };
}

export type Counters = ReturnType<typeof newCounters>;
