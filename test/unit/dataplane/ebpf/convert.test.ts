import test from 'ava';
import fc from 'fast-check';
import { adapted, convertedFlow, flowLayoutOf, sameFlowLayout } from '../../../../ts/dataplane/ebpf/convert.js';
import { FlowBits } from '../../../../ts/dataplane/ebpf/lb.gen.js';

const ours = flowLayoutOf(undefined);
/** Less of the hash, more of the age. */
const other = {
  ...ours,
  FLOW_AGE_BITS: 14,
  FLOW_STATE_SHIFT: 14,
  FLOW_GENERATION_SHIFT: 16,
  FLOW_BACKEND_SHIFT: 20,
  FLOW_TAG_SHIFT: 40,
};

const parts = fc.record({
  hash: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  backend: fc.bigInt({ min: 0n, max: 2n ** 20n - 1n }),
  generation: fc.bigInt({ min: 0n, max: 15n }),
  state: fc.bigInt({ min: 0n, max: 3n }),
  age: fc.bigInt({ min: 0n, max: 1023n }),
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

function wordIn(layout: typeof ours, { hash, backend, generation, state, age }: Parts): bigint {
  const tag = hash >> BigInt(layout.FLOW_TAG_SHIFT) || 1n;
  return (
    (tag << BigInt(layout.FLOW_TAG_SHIFT)) |
    (backend << BigInt(layout.FLOW_BACKEND_SHIFT)) |
    (generation << BigInt(layout.FLOW_GENERATION_SHIFT)) |
    (state << BigInt(layout.FLOW_STATE_SHIFT)) |
    age
  );
}

test('what has the same name is taken over, what is new stays as it was', (t) => {
  const blank = { id: 0, wide: 0n, list: [0, 0, 0], bytes: new Uint8Array(4), fresh: 7, inner: { a: 0 } };
  const value = { inner: { a: 3, gone: 1 }, id: 5n, wide: 6, list: [1, 2], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  t.deepEqual(adapted(blank, value, 'x'), {
    ...{ id: 5, wide: 6n, list: [1, 2, 0], bytes: Uint8Array.of(1, 2, 3, 4), fresh: 7, inner: { a: 3 } },
  });
  t.throws(() => adapted({ id: {} }, { id: 1 }, 'x'), { code: 'LAYOUT_MISMATCH', message: /x\.id/ });
});

test('a flow of a layout with as much of the hash is the same flow in ours', (t) => {
  const theirs = { ...other, FLOW_AGE_BITS: 8, FLOW_TAG_SHIFT: 34, FLOW_BACKEND_SHIFT: 14, FLOW_GENERATION_SHIFT: 10 };
  const layout = { ...theirs, FLOW_STATE_SHIFT: 8 };
  fc.assert(
    fc.property(parts, (one) => {
      const aged = { ...one, age: one.age % 256n };
      // A tag of 0 is written as 1, which a shorter tag cannot tell from others that begin so.
      fc.pre(one.hash >> 34n !== 0n && one.hash >> BigInt(FlowBits.FLOW_TAG_SHIFT) !== 0n);
      t.is(
        convertedFlow(wordIn(layout, aged), { ...layout, FLOW_AGE_BITS: 8 }),
        wordIn(ours, { ...aged, state: one.state }),
      );
    }),
  );
});

test('where less of the hash is known only programs can take a flow over', (t) => {
  fc.assert(fc.property(parts, (one) => t.is(convertedFlow(wordIn(other, one), other), undefined)));
  t.true(sameFlowLayout(ours));
  t.false(sameFlowLayout(other));
});
