import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ChunkPool } from '../../../../ts/dataplane/ebpf/chunk-pool.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { holds } from './holds.js';

const LIMIT = 64;

interface Run {
  readonly first: number;
  readonly count: number;
}

/** Owner of each chunk, chunk 0 has none: what buddies are for can be seen from the outside. */
class Model {
  readonly runs: Run[] = [];
  readonly taken: boolean[] = [true, ...new Array<boolean>(LIMIT - 1).fill(false)];

  free({ first, count }: Run): boolean {
    return first + count <= LIMIT && !this.taken.slice(first, first + count).includes(true);
  }

  aligned(count: number): Run[] {
    return Array.from({ length: LIMIT / count }, (_, i) => ({ first: i * count, count }));
  }

  add(run: Run): void {
    this.taken.fill(true, run.first, run.first + run.count);
    this.runs.push(run);
  }

  remove(at: number): Run {
    const [run] = this.runs.splice(at, 1);
    this.taken.fill(false, run!.first, run!.first + run!.count);
    return run!;
  }

  get size(): number {
    return this.taken.filter(Boolean).length;
  }
}

const order = fc.integer({ min: 0, max: 5 });
const act = fc.oneof(
  fc.record({ act: fc.constant('take' as const), order }),
  fc.record({ act: fc.constant('give' as const), which: fc.nat(100) }),
  fc.record({ act: fc.constant('adopt' as const), order, first: fc.nat(LIMIT - 1) }),
);

test('random runs never overlap, are found while there is room, and merge again', (t) => {
  const property = fc.property(fc.array(act, { maxLength: 120 }), (history) => {
    const pool = new ChunkPool(LIMIT);
    const model = new Model();
    for (const step of history) {
      if (step.act === 'give') {
        if (model.runs.length === 0) continue;
        const { first, count } = model.remove(step.which % model.runs.length);
        pool.give(first, count);
      } else if (step.act === 'take') {
        const count = 1 << step.order;
        if (model.aligned(count).some((run) => model.free(run))) {
          const run = { first: pool.take(count), count };
          assert.ok(run.first % count === 0 && model.free(run), `${run.first}+${count}`);
          model.add(run);
        } else assert.throws(() => pool.take(count), VipdError);
      } else {
        const run = { first: step.first, count: 1 << step.order };
        const wanted = run.first % run.count === 0 && model.free(run);
        assert.equal(pool.adopt(run.first, run.count), wanted, `adopt ${run.first}+${run.count}`);
        if (wanted) model.add(run);
      }
      assert.equal(pool.taken, model.size);
    }
    while (model.runs.length > 0) {
      const { first, count } = model.remove(0);
      pool.give(first, count);
    }
    assert.equal(pool.taken, 1);
    assert.equal(pool.take(LIMIT / 2), LIMIT / 2, 'one run again, but for chunk 0');
  });
  holds(t, property, { numRuns: 300 });
});

test('what is no run of chunks is not adopted', (t) => {
  const pool = new ChunkPool(LIMIT);
  for (const [first, count] of [
    [4, 0.5],
    [4, 1 / 64],
    [4, 3],
    [4, 0],
    [3, 2],
    [LIMIT, 1],
    [LIMIT, LIMIT],
    [2 ** 31, 2 ** 26],
  ] as const) {
    t.false(pool.adopt(first, count), `${first}+${count}`);
  }
  t.is(pool.taken, 1);
});

test('a full pool says how much was wanted and how much there is', (t) => {
  const pool = new ChunkPool(4);
  t.is(pool.take(2), 2);
  t.throws(() => pool.take(2), {
    message: 'map tables: no 2 free chunks in a row, 1 of 4 are free (raise limits.backends)',
  });
});
