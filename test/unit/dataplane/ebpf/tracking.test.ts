import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { FlowBits } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import { flowFields } from '../../../../ts/dataplane/ebpf/tracking.js';
import { holds } from './holds.js';

/** One field of the 64-bit word, by the layout that bpf/lb.h exports. */
function field(word: bigint, shift: number, bits: number): number {
  return Number((word >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n));
}

test("a flow's fields are where bpf/lb.h says, whatever the tag", (t) => {
  const half = fc.integer({ min: 0, max: 0xffff_ffff });
  const property = fc.property(half, half, (low, high) => {
    const word = (BigInt(high) << 32n) | BigInt(low);
    assert.deepEqual(flowFields(low, high), {
      backend: field(word, FlowBits.FLOW_BACKEND_SHIFT, FlowBits.FLOW_BACKEND_BITS),
      generation: field(word, FlowBits.FLOW_GENERATION_SHIFT, FlowBits.FLOW_GENERATION_BITS),
      state: field(word, FlowBits.FLOW_STATE_SHIFT, FlowBits.FLOW_STATE_BITS),
      age: field(word, 0, FlowBits.FLOW_AGE_BITS),
    });
  });
  holds(t, property);
});
