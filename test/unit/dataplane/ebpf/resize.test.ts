import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { FlowBits, FlowIdle, FlowState, LbSize } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import { isReplaced, spreadFlows } from '../../../../ts/dataplane/ebpf/resize.js';
import { holds } from './holds.js';

const WAYS = LbSize.FLOW_SET_WAYS;

/** An age, soon after it has wrapped. */
const NOW = 5;

interface Entry {
  /** Bits of the hash below the tag. */
  readonly low: number;
  readonly tag: number;
  readonly state: number;
}

const entry = fc.record({
  low: fc.nat(0xffff),
  tag: fc.integer({ min: 1, max: (1 << 28) - 1 }),
  state: fc.constantFrom(...Object.values(FlowState)),
});

const word = ({ tag, state }: Entry) =>
  (BigInt(tag) << BigInt(FlowBits.FLOW_TAG_SHIFT)) | (BigInt(state) << BigInt(FlowBits.FLOW_STATE_SHIFT)) | (7n << 16n);

/** A table as the programs fill it, and what found room in it. */
function tableOf(entries: readonly Entry[], sets: number) {
  const words = new BigUint64Array(sets * WAYS);
  const held = entries.filter((one) => {
    const set = one.low % sets;
    const ways = words.subarray(set * WAYS, (set + 1) * WAYS);
    if (ways.some((other) => other >> 36n === BigInt(one.tag))) return false;
    const free = ways.indexOf(0n);
    if (free >= 0) ways[free] = word(one);
    return free >= 0;
  });
  return { words, held };
}

function spread(old: BigUint64Array, sets: number): BigUint64Array {
  const words = new BigUint64Array(sets * WAYS);
  spreadFlows(old, words, sets, NOW);
  return words;
}

function found(words: BigUint64Array, sets: number, one: Entry): bigint | undefined {
  const set = one.low % sets;
  return words.subarray(set * WAYS, (set + 1) * WAYS).find((other) => other >> 36n === BigInt(one.tag));
}

const size = fc.constantFrom(2, 8, 32, 128);

test('in a larger table every flow is found, with its backend', (t) => {
  const property = fc.property(fc.array(entry, { maxLength: 200 }), size, size, (entries, before, factor) => {
    const { words, held } = tableOf(entries, before);
    const after = spread(words, before * factor);
    for (const one of held) assert.equal((found(after, before * factor, one) ?? 0n) & 0xfffff0000n, 7n << 16n);
  });
  holds(t, property);
});

test('in a larger table an established flow stays so, and for half an hour more, however long it was silent', (t) => {
  const aged = (age: number) => word({ low: 1, tag: 9, state: FlowState.FLOW_ESTABLISHED }) | BigInt(age);
  const idleAfter = (idle: number, sets: readonly number[]) => {
    let table: BigUint64Array = new BigUint64Array(2 * WAYS);
    table[WAYS] = aged((NOW - idle) & 1023);
    for (const one of sets) table = spread(table, one);
    const last = sets.at(-1)!;
    const held = found(table, last, { low: 1, tag: 9, state: 0 })!;
    t.is(Number((held >> 10n) & 3n), FlowState.FLOW_ESTABLISHED);
    return (NOW - Number(held & 1023n)) & 1023;
  };
  const trial = FlowIdle.FLOW_IDLE_LIMIT - 112;
  for (const sets of [[8], [8, 32], [32, 4, 64]]) {
    t.is(idleAfter(0, sets), trial);
    t.is(idleAfter(40, sets), trial);
    t.is(idleAfter(400, sets), 400);
  }
  t.is(idleAfter(40, [1]), 40, 'in a smaller one nothing is in doubt');
});

test('in a smaller table no proven flow gives way to an unproven one', (t) => {
  const property = fc.property(fc.array(entry, { maxLength: 200 }), size, size, (entries, sets, factor) => {
    const { words, held } = tableOf(entries, sets * factor);
    const after = spread(words, sets);
    const isProven = ({ state }: Entry) => state === FlowState.FLOW_REPLIED || state === FlowState.FLOW_ESTABLISHED;
    for (const lost of held.filter((one) => found(after, sets, one) === undefined)) {
      const kept = held.filter((one) => one.low % sets === lost.low % sets && found(after, sets, one) !== undefined);
      assert.ok(kept.length >= WAYS - 1);
      if (isProven(lost)) assert.ok(kept.every(isProven));
    }
  });
  holds(t, property);
});

test('what ids index only grows, flows go with the limit', (t) => {
  t.true(isReplaced('vips', 100, 200));
  t.false(isReplaced('vips', 200, 100));
  t.true(isReplaced('flows', 200, 100));
  t.false(isReplaced('flows', 100, 100));
  t.false(isReplaced('events', 100, undefined));
});
