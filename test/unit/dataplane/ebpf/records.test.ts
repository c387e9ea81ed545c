import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { BackendState, ForwardMode, LbSize, VipState } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import {
  addressRecord,
  backendRecord,
  freeBackend,
  frontendOf,
  poolRecords,
  poolsOf,
  protocolName,
  protocolNumber,
  tableSpan,
  tunnelSourceRecords,
  vipRecord,
} from '../../../../ts/dataplane/ebpf/records.js';
import { addressBytes, prefixContains } from '../../../../ts/model/address.js';
import { address, frontend, port, prefix } from './arbitrary.js';
import { holds } from './holds.js';

const NO_SETTINGS = {
  flow_seed: 0n,
  set_seed: 0,
  hz: 0,
  engaged: 0,
  outside: 0,
  carrying: 0,
  departing: 0,
  reserved: 0,
  tunnel_source: tunnelSourceRecords([]),
};

test('pools are read back from their records as they were given', (t) => {
  const pools = fc.array(prefix, { maxLength: LbSize.POOLS_MAX });
  const property = fc.property(pools, (given) => {
    const pool = poolRecords(given);
    assert.equal(pool.length, LbSize.POOLS_MAX);
    assert.deepEqual(poolsOf({ ...NO_SETTINGS, pools: given.length, pool }), given);
  });
  holds(t, property);
});

test("a pool's record covers what its prefix contains, as bpf/vip.h compares it", (t) => {
  const near = prefix.chain((one) =>
    fc.tuple(fc.constant(one), fc.oneof(address, fc.constant(one.address), fc.constant('10.1.2.3'))),
  );
  const property = fc.property(near, ([one, candidate]) => {
    const [{ base, mask } = { base: { bytes: [] }, mask: { bytes: [] } }] = poolRecords([one]);
    const covered = addressBytes(candidate).every((byte, i) => (byte & mask.bytes[i]!) === base.bytes[i]);
    assert.equal(covered, prefixContains(one, candidate));
  });
  holds(t, property);
});

test('the frontend of a VIP is read back from its record', (t) => {
  const property = fc.property(frontend, fc.nat(100), (one, selectable) => {
    const record = vipRecord(one, selectable, { first: 8, chunks: 4 }, undefined);
    assert.deepEqual(frontendOf(record), one);
    t.like(record, { state: VipState.VIP_SERVING, selectable, current: { first: 8, mask: 255 } });
    assert.deepEqual(tableSpan(record.current), { first: 8, chunks: 4 });
    assert.equal(tableSpan(record.previous), undefined);
  });
  holds(t, property);
});

test('the entry of an address has neither port nor protocol', (t) => {
  const record = addressRecord('fd00::7');
  t.like(record, { port: 0, protocol: 0, state: VipState.VIP_ADDRESS, selectable: 0 });
  t.is(frontendOf(record), undefined);
});

test('a backend that is not active drains; a free record keeps its generation and nothing else', (t) => {
  const property = fc.property(address, port, fc.nat(256), fc.boolean(), (host, number, weight, active) => {
    const way = { forwarding: ForwardMode.FORWARD_TUNNEL, clampMss: 1400 };
    const fields = { address: host, port: number, protocol: 6, weight, active, vip: 3, generation: 7, next: 2, ...way };
    const record = backendRecord(fields);
    assert.equal(record.state, active ? BackendState.BACKEND_ACTIVE : BackendState.BACKEND_DRAINING);
    assert.deepEqual(frontendOf(record), { address: host, port: number, protocol: 'tcp' });
    t.like(record, { weight, vip: 3, generation: 7, next: 2, forwarding: 2, clamp_mss: 1400 });
  });
  holds(t, property);
  t.like(freeBackend(9), { state: BackendState.BACKEND_FREE, generation: 9, vip: 0, next: 0, weight: 0 });
});

test('protocols have IANA numbers, and no other number is a protocol', (t) => {
  t.deepEqual(
    (['tcp', 'udp'] as const).map((protocol) => protocolNumber({ protocol })),
    [6, 17],
  );
  t.deepEqual([6, 17, 0, 1, 255].map(protocolName), ['tcp', 'udp', undefined, undefined, undefined]);
});
