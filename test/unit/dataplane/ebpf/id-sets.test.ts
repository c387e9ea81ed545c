import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { IdSets } from '../../../../ts/dataplane/ebpf/id-sets.js';
import { IdSetSpecial, LbSize } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { holds } from './holds.js';

const WAYS = LbSize.ID_SET_WAYS;
const SET_WORDS = WAYS * 2;

const emptySets = (count: number) => new Uint32Array(count * SET_WORDS);

/** How bpf/vip.h looks an id up, written apart from the code under test. */
function kernelFinds(words: Uint32Array, hash: number, id: number): boolean {
  const count = words.length / SET_WORDS;
  for (let hop = 0; hop < LbSize.ID_SET_CHAIN; hop++) {
    const set = (hash + hop) % count;
    for (let i = 0; i < WAYS; i++) {
      const [held, heldHash] = words.subarray(set * SET_WORDS + i * 2);
      if (held === 0) return false;
      if (held === id && heldHash === hash) return true;
    }
  }
  return false;
}

/** Way of each id, to see that none moves. */
function places(words: Uint32Array): Map<number, number> {
  const found = new Map<number, number>();
  for (let way = 0; way * 2 < words.length; way++) {
    const id = words[way * 2]!;
    if (id !== 0 && id !== IdSetSpecial.ID_SET_TOMBSTONE) found.set(id, way);
  }
  return found;
}

/** Hashes by id, in the order of ids. */
function contentOf(words: Uint32Array): Map<number, number> {
  return inOrder([...places(words)].map(([id, way]) => [id, words[way * 2 + 1]!]));
}

function inOrder(hashes: Iterable<[id: number, hash: number]>): Map<number, number> {
  return new Map([...hashes].sort(([a], [b]) => a - b));
}

/** The sets that differ. */
function changedSets(before: Uint32Array, after: Uint32Array): number[] {
  const changed = new Set<number>();
  after.forEach((word, i) => {
    if (word !== before[i]) changed.add(Math.floor(i / SET_WORDS));
  });
  return [...changed];
}

type Act = 'add' | 'remove' | 'replace';
const acts = fc.array(
  fc.tuple(fc.constantFrom<Act>('add', 'add', 'add', 'remove', 'replace'), fc.nat(1000), fc.nat(9)),
  { maxLength: 150 },
);

test('random changes: what is there is found, nothing else moves, one set is written', (t) => {
  const property = fc.property(fc.constantFrom(1, 2, 8), acts, (count, history) => {
    const words = emptySets(count);
    const sets = new IdSets(words);
    const model = new Map<number, number>();
    let fresh = 1;
    for (const [act, choice, spread] of history) {
      // Few hashes, so that sets overflow; the upper bits differ from the set's index.
      const hash = (spread * 0x1000_0003) >>> 0;
      const before = { words: words.slice(), places: places(words) };
      const [id, held] = [...model][choice % Math.max(1, model.size)] ?? [0, 0];
      let touched: number | undefined;
      try {
        if (act === 'add') {
          touched = sets.add(hash, fresh);
          model.set(fresh++, hash);
        } else if (act === 'remove') {
          touched = sets.remove(held, id);
          model.delete(id);
        } else {
          touched = sets.replace(held, id, fresh);
          if (model.delete(id)) model.set(fresh++, held);
        }
      } catch (error) {
        assert.ok(error instanceof VipdError && error.code === 'MAP_FULL');
        assert.deepEqual(words, before.words);
      }
      assert.ok(changedSets(before.words, words).every((set) => set === touched));
      assert.deepEqual(contentOf(words), inOrder(model));
      for (const [id, hash] of model) assert.ok(kernelFinds(words, hash, id) && sets.has(hash, id));
      for (const [id, way] of places(words)) assert.ok((before.places.get(id) ?? way) === way);
    }
  });
  holds(t, property, { numRuns: 60 });
});

test('a full set goes on in the next ones, and a full chain refuses', (t) => {
  const words = emptySets(16);
  const sets = new IdSets(words);
  const hash = 14;
  const room = WAYS * LbSize.ID_SET_CHAIN;
  const used = Array.from({ length: room }, (_, i) => sets.add(hash, i + 1));
  t.deepEqual([...new Set(used)], [14, 15, 0, 1]);
  t.throws(() => sets.add(hash, 999), { instanceOf: VipdError, message: /32 entries with neighbouring hashes/ });
  t.is(sets.add(hash + 1, 999), 2, 'the next hash has one set more');
});

test('a hole in a full set stays a tombstone while others may lie behind it', (t) => {
  const words = emptySets(4);
  const sets = new IdSets(words);
  for (let id = 1; id <= WAYS + 1; id++) sets.add(0, id);
  sets.remove(0, WAYS);
  t.is(words[(WAYS - 1) * 2], IdSetSpecial.ID_SET_TOMBSTONE);
  t.true(kernelFinds(words, 0, WAYS + 1));
  t.is(sets.add(0, 77), 0, 'and is used again');
  t.is(words[(WAYS - 1) * 2], 77);
});

test('a set that was never full becomes empty again', (t) => {
  const words = emptySets(4);
  const sets = new IdSets(words);
  for (let id = 1; id < WAYS; id++) sets.add(2, id);
  for (const id of [3, 1, 7, 5, 2, 6, 4]) t.is(sets.remove(2, id), 2);
  t.deepEqual(words, emptySets(4));
  t.is(sets.remove(2, 1), undefined);
  t.is(sets.replace(2, 1, 9), undefined);
});

test('sets found with anything in them are settled, and what was right stays in its place', (t) => {
  const damage = fc.record({ word: fc.nat(4 * SET_WORDS - 1), value: fc.oneof(fc.constant(0), fc.nat(40)) });
  const property = fc.property(fc.array(fc.nat(5), { maxLength: 24 }), fc.array(damage), (hashes, damages) => {
    const words = emptySets(4);
    const sets = new IdSets(words);
    hashes.forEach((hash, i) => {
      sets.add(hash, i + 1);
    });
    const wanted = contentOf(words);
    const undamaged = places(words);
    for (const { word, value } of damages) words[word] = value;
    sets.settle(wanted);
    assert.deepEqual(contentOf(words), wanted);
    for (const [id, hash] of wanted) assert.ok(kernelFinds(words, hash, id));
    if (damages.length === 0) assert.deepEqual(places(words), undamaged);
  });
  holds(t, property);
});
