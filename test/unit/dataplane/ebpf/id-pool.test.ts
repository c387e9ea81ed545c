import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { IdPool } from '../../../../ts/dataplane/ebpf/id-pool.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { holds } from './holds.js';

/** The order ids are given out in: never used ones from 1 up, then what was given back, the longest ago first. */
class Model {
  readonly taken = new Set<number>();
  readonly #returned: number[] = [];
  #next = 1;

  constructor(
    readonly limit: number,
    adopted: readonly number[],
  ) {
    for (const id of adopted) this.taken.add(id);
  }

  take(): number | undefined {
    while (this.taken.has(this.#next)) this.#next++;
    const id = this.#next < this.limit ? this.#next++ : this.#returned.shift();
    if (id !== undefined) this.taken.add(id);
    return id;
  }

  give(id: number): void {
    if (this.taken.delete(id) && id < this.#next) this.#returned.push(id);
  }
}

test('random taking and giving back, over adopted ids', (t) => {
  const history = fc.array(fc.oneof(fc.constant('take' as const), fc.nat(40)), { maxLength: 200 });
  const property = fc.property(
    fc.integer({ min: 2, max: 30 }),
    fc.uniqueArray(fc.nat(28), { maxLength: 10 }),
    history,
    (limit, some, acts) => {
      const adopted = some.map((id) => id + 1).filter((id) => id < limit);
      const pool = new IdPool(limit, 'vips');
      const model = new Model(limit, adopted);
      for (const id of [...adopted, ...adopted]) pool.adopt(id);
      for (const act of acts) {
        if (act === 'take') {
          const wanted = model.take();
          if (wanted === undefined) assert.throws(() => pool.take(), VipdError);
          else assert.equal(pool.take(), wanted);
        } else {
          const id = act % limit;
          model.give(id);
          pool.give(id);
        }
        assert.equal(pool.taken, model.taken.size);
      }
    },
  );
  holds(t, property);
});

test('a full pool says what is full and which option helps', (t) => {
  const pool = new IdPool(3, 'backends');
  t.deepEqual([pool.take(), pool.take()], [1, 2]);
  t.throws(() => pool.take(), { message: 'map backends: all 2 entries are taken (raise limits.backends)' });
});

test('an id comes back as late as can be, also after very many', (t) => {
  const pool = new IdPool(101, 'vips');
  const order = Array.from({ length: 100 }, () => pool.take());
  for (let round = 0; round < 50; round++) {
    for (const id of order) pool.give(id);
    t.deepEqual(
      order.map(() => pool.take()),
      order,
    );
  }
});
