import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { Arrivals, arrivalHash } from '../../../../ts/dataplane/ebpf/arrivals.js';
import type { HeldBackend, HeldVip } from '../../../../ts/dataplane/ebpf/held.js';
import { selectable } from '../../../../ts/dataplane/ebpf/held.js';
import { IdSets } from '../../../../ts/dataplane/ebpf/id-sets.js';
import { ForwardMode, LbSize } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import type { Way } from '../../../../ts/dataplane/ebpf/surroundings.js';
import { carriageIn, hopRecord, hopText, modeTo, noHop } from '../../../../ts/dataplane/ebpf/ways.js';
import type { Policy } from '../../../../ts/model/policy.js';
import { backendKey, vipKey } from '../../../../ts/model/service.js';
import { holds } from './holds.js';

const macs = { gateway: new Uint8Array([2, 0, 0, 0, 0, 1]), own: new Uint8Array([2, 0, 0, 0, 0, 2]) };
const onLink: Way = {
  local: false,
  onLink: true,
  gateway: '10.0.0.1',
  source: '10.0.0.9',
  ifindex: 3,
  mtu: 1500,
  macs,
  redirectable: true,
};

test('a mode is what was asked, where it can be', (t) => {
  const { macs: _, ...unresolved } = onLink;
  const of = (forwarding: Policy['forwarding'], way: Way | undefined) =>
    modeTo(forwarding === undefined ? {} : { forwarding }, way);
  t.is(of(undefined, onLink), ForwardMode.FORWARD_NAT);
  t.is(of('tunnel', onLink), ForwardMode.FORWARD_TUNNEL);
  t.is(of('tunnel', undefined), ForwardMode.FORWARD_TUNNEL);
  t.is(of('direct', onLink), ForwardMode.FORWARD_DIRECT);
  for (const way of [undefined, unresolved, { ...onLink, onLink: false }])
    t.is(of('direct', way), ForwardMode.FORWARD_TUNNEL);
  for (const mode of ['tunnel', 'direct', 'full-nat'] as const)
    t.is(of(mode, { ...onLink, local: true }), ForwardMode.FORWARD_NAT);
});

test('the hop of a backend says what the way does; on this node there is none', (t) => {
  t.like(hopRecord(onLink), { ifindex: 3, mtu: 1500, resolved: 1, redirectable: 1 });
  t.deepEqual(hopText(hopRecord(onLink)), {
    nextHop: '10.0.0.1',
    mac: '02:00:00:00:00:01',
    interface: 3,
    mtu: 1500,
  });
  for (const way of [undefined, { ...onLink, local: true }, { ...onLink, source: undefined }])
    t.is(hopRecord(way), noHop);
  t.deepEqual(hopText(noHop), {});
});

test('a policy is read back from the record that holds it', (t) => {
  t.deepEqual(carriageIn({ forwarding: 0, exact: 0, clamp_mss: 0 }), {});
  t.deepEqual(carriageIn({ forwarding: 2, exact: 1, clamp_mss: 1400 }), {
    forwarding: 'tunnel',
    exact: true,
    clampMss: 1400,
  });
});

function vipOf(id: number, policy: Policy = { forwarding: 'tunnel' }): HeldVip {
  const frontend = { address: '11.0.0.1', port: id, protocol: 'tcp' } as const;
  const tables = { table: undefined, previous: undefined };
  const forwarded = { frontend, backends: [] };
  return {
    id,
    key: vipKey(frontend),
    frontend,
    hash: 0,
    policy,
    nodeDenied: false,
    beside: false,
    backends: new Map(),
    ...tables,
    forwarded,
  };
}

function backendOf(id: number, vip: HeldVip, host: number, local = true): HeldBackend {
  const endpoint = { address: `10.0.0.${host}`, port: 80 };
  return { ...endpoint, id, key: backendKey(endpoint), vip, generation: 1, weight: 1, active: true, local };
}

test('direct: a node that has backends chooses among those alone', (t) => {
  for (const [forwarding, expected] of [
    ['direct', [2]],
    ['tunnel', [1, 2]],
  ] as const) {
    const vip = vipOf(1, { forwarding });
    for (const one of [backendOf(1, vip, 1, false), backendOf(2, vip, 2)]) vip.backends.set(one.key, one);
    t.deepEqual(
      selectable(vip).map(({ id }) => id),
      expected,
    );
  }
});

test('arrivals are found by address and VIP, and by address alone, whatever comes and goes', (t) => {
  const vips = [vipOf(1), vipOf(70_000), vipOf(3)];
  const backends = Array.from({ length: 12 }, (_, i) => backendOf(i + 1, vips[i % 3]!, 1 + Math.floor(i / 3)));
  const moves = fc.array(fc.nat(backends.length - 1), { maxLength: 60 });
  holds(
    t,
    fc.property(moves, (picks) => {
      const sets = new IdSets(new Uint32Array(32 * LbSize.ID_SET_WAYS * 2));
      const arrivals = new Arrivals(sets, 7);
      for (const pick of picks) {
        const backend = backends[pick]!;
        if (arrivals.has(backend)) arrivals.remove(backend);
        else arrivals.add(backend);
      }
      for (const backend of backends) {
        const { address, id, vip } = backend;
        assert.equal(sets.has(arrivalHash(address, vip.id, 7), id), arrivals.has(backend));
        const alike = backends.filter((one) => one.address === address);
        const found = alike.filter((one) => sets.has(arrivalHash(address, 0, 7), one.id));
        assert.equal(found.length, alike.some((one) => arrivals.has(one)) ? 1 : 0);
        assert.ok(found.every((one) => arrivals.has(one)));
      }
    }),
  );
});
