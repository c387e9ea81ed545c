import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { Chains } from '../../../../ts/dataplane/ebpf/chains.js';
import type { HeldBackend, HeldVip } from '../../../../ts/dataplane/ebpf/held.js';
import { IdSets } from '../../../../ts/dataplane/ebpf/id-sets.js';
import { LbSize } from '../../../../ts/dataplane/ebpf/lb.gen.js';
import { backendKey, type Frontend, vipKey } from '../../../../ts/model/service.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { holds } from './holds.js';

const SEED = 0x1234_5678;
const SETS = 8;
const newSets = () => new IdSets(new Uint32Array(SETS * LbSize.ID_SET_WAYS * 2));
const headsIn = (sets: IdSets) =>
  Array.from({ length: SETS }, (_, set) => sets.idsIn(set))
    .flat()
    .sort(byNumber);

function heldVip(id: number): HeldVip {
  const frontend: Frontend = { address: '11.0.0.1', port: id, protocol: id % 2 === 0 ? 'tcp' : 'udp' };
  const forwarded = { frontend, backends: [] };
  const key = vipKey(frontend);
  const tables = { table: undefined, previous: undefined };
  return {
    id,
    key,
    frontend,
    hash: 0,
    policy: {},
    nodeDenied: false,
    beside: false,
    backends: new Map(),
    ...tables,
    forwarded,
  };
}

/** Backend `id` of a VIP; few endpoints, so that VIPs share them. */
function heldBackend(id: number, vip: HeldVip, endpoint: number): HeldBackend {
  const address = `10.0.0.${endpoint}`;
  const key = backendKey({ address, port: 80 });
  return { id, key, vip, generation: 1, weight: 1, active: true, local: false, address, port: 80 };
}

/** What the kernel holds when only what a change names is written to it. */
class Kernel {
  readonly next = new Map<number, number>();
  readonly heads = new Map<number, readonly number[]>();

  /** Records from the head on that answer for an endpoint and protocol. */
  chain(records: readonly HeldBackend[], wanted: HeldBackend): number[] {
    const same = (id: number) => records.some((one) => one.id === id && endpointOf(one) === endpointOf(wanted));
    const found: number[] = [];
    const head = [...this.heads.values()].flat().find(same) ?? 0;
    for (let id = head; id !== 0 && found.length < 100; id = this.next.get(id) ?? 0) found.push(id);
    return found;
  }
}

const endpointOf = ({ key, vip }: HeldBackend): string => `${vip.frontend.protocol} ${key}`;

test('random sharing: from its head every record of an endpoint is reached, with no write but the ones named', (t) => {
  const act = fc.record({ add: fc.boolean(), vip: fc.integer({ min: 1, max: 6 }), endpoint: fc.nat(3) });
  const property = fc.property(fc.array(act, { maxLength: 80 }), (history) => {
    const sets = newSets();
    const chains = new Chains(sets, SEED);
    const kernel = new Kernel();
    const vips = Array.from({ length: 7 }, (_, id) => heldVip(id));
    const records: HeldBackend[] = [];
    let fresh = 1;
    for (const { add, vip, endpoint } of history) {
      const backend = heldBackend(fresh, vips[vip]!, endpoint);
      const at = records.findIndex((one) => one.vip === backend.vip && one.key === backend.key);
      if (add ? at >= 0 : at < 0) continue;
      const subject = add ? backend : records[at]!;
      const change = add ? chains.add(backend) : chains.remove(subject);
      if (add) {
        fresh++;
        records.push(backend);
        kernel.next.set(backend.id, chains.next(backend));
      } else records.splice(at, 1);
      const relinked = records.find(({ id }) => id === change.relinked);
      if (relinked !== undefined) kernel.next.set(relinked.id, chains.next(relinked));
      if (change.set !== undefined) kernel.heads.set(change.set, sets.idsIn(change.set));
      for (const record of records) {
        const wanted = records.filter((one) => endpointOf(one) === endpointOf(record)).map(({ id }) => id);
        assert.deepEqual(kernel.chain(records, record).sort(byNumber), wanted.sort(byNumber));
      }
    }
    for (const record of [...records]) chains.remove(record);
    assert.deepEqual(headsIn(sets), []);
  });
  holds(t, property);
});

test('an endpoint is shared by so many VIPs as a reply is looked up among', (t) => {
  const chains = new Chains(newSets(), SEED);
  const sharing = Array.from({ length: LbSize.REPLY_CHAIN + 1 }, (_, i) => heldBackend(i + 1, heldVip(2 * i + 2), 1));
  for (const backend of sharing.slice(1)) chains.add(backend);
  t.throws(() => chains.add(sharing[0]!), {
    instanceOf: VipdError,
    message: /32 other VIPs have this backend already/,
  });
  chains.remove(sharing[5]!);
  t.notThrows(() => chains.add(sharing[0]!));
});

test('what is adopted links as it did, and the sets name the heads alone', (t) => {
  const sets = newSets();
  const first = new Chains(sets, SEED);
  const sharing = Array.from({ length: 5 }, (_, i) => heldBackend(i + 1, heldVip(2 * i + 2), 1));
  const alone = heldBackend(6, heldVip(2), 2);
  for (const backend of [...sharing, alone]) first.add(backend);
  first.remove(sharing[0]!);
  const left = [...sharing.slice(1), alone];
  const links = new Map(left.map((backend) => [backend.id, first.next(backend)]));
  sets.add(0xdead, 99);
  const again = new Chains(sets, SEED);
  for (const backend of left) again.adopt(backend, links.get(backend.id)!);
  again.settle([undefined, ...[...sharing, alone].map((one) => (left.includes(one) ? one : undefined))]);
  t.deepEqual(new Map(left.map((backend) => [backend.id, again.next(backend)])), links);
  t.deepEqual(headsIn(sets), [5, 6]);
});

function byNumber(a: number, b: number): number {
  return a - b;
}
