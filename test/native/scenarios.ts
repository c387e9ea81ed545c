import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isBpffs } from '../../ts/libbpf/features.js';
import {
  attachClsact,
  attachedTcx,
  BpfLink,
  detachClsact,
  isOwnClsactFilter,
  removeClsact,
} from '../../ts/libbpf/link.js';
import type { BpfMap } from '../../ts/libbpf/map.js';
import { addon, native } from '../../ts/native/binding.js';
import { mountBpffs } from '../../ts/native/system.js';
import { addresses } from '../../ts/netlink/addresses.js';
import { clsactFilters, hasClsactFilters } from '../../ts/netlink/filters.js';
import { type LinkChange, links, watchLinks } from '../../ts/netlink/links.js';
import { addUnreachableRoute, ownProtocol, removeUnreachableRoute, routes } from '../../ts/netlink/routes.js';
import { counted, openFixture, u32 } from './objects.js';

// What must not happen in the namespaces of the machine. Run as `unshare --net --mount node scenarios.js NAME`: the
// process is alone in its namespaces, and they end with it.

const scenarios: Readonly<Record<string, () => void | Promise<void>>> = {
  xdpNative: () => xdp('native'),
  xdpGeneric: () => xdp('generic'),
  tcx,
  clsact,
  linkList,
  addressList,
  unreachable,
  watching,
  bpffs,
};

async function xdp(mode: 'native' | 'generic'): Promise<void> {
  const ifindex = vethPair();
  const loaded = openFixture().load();
  const link = BpfLink.attach(loaded.program('probe_xdp'), { kind: 'xdp', ifindex, mode });
  assert.equal(link.info.ifindex, ifindex);
  assert.deepEqual(links().find(({ index }) => index === ifindex)?.xdp, { mode, progId: link.info.progId });
  await expectCount(loaded.map('counters'), 0);
  const second = () => BpfLink.attach(loaded.program('probe_xdp'), { kind: 'xdp', ifindex, mode });
  assert.throws(second, { code: 'EBUSY' });
  const next = openFixture().load();
  link.update(next.program('probe_xdp'));
  assert.equal(link.info.progId, next.program('probe_xdp').info.id);
  await expectCount(next.map('counters'), 0);
  link.close();
  assert.equal(links().find(({ index }) => index === ifindex)?.xdp, undefined);
}

async function tcx(): Promise<void> {
  const ifindex = vethPair();
  const loaded = openFixture().load();
  const link = BpfLink.attach(loaded.program('probe_tc'), { kind: 'tcx', ifindex, direction: 'ingress' });
  assert.equal(link.info.ifindex, ifindex);
  assert.deepEqual(attachedTcx(ifindex, 'ingress'), [{ id: link.info.progId, name: 'probe_tc' }]);
  assert.deepEqual(attachedTcx(ifindex, 'egress'), []);
  await expectCount(loaded.map('counters'), 1);
  link.update(loaded.program('probe_tc_next'));
  await expectCount(loaded.map('counters'), 2);
  link.detach();
  assert.equal(link.info.ifindex, 0);
  assert.deepEqual(attachedTcx(ifindex, 'ingress'), []);
}

async function clsact(): Promise<void> {
  const ifindex = vethPair();
  const loaded = openFixture().load();
  assert.equal(detachClsact(ifindex, 'ingress'), false);
  attachClsact(loaded.program('probe_tc'), ifindex, 'ingress');
  await expectCount(loaded.map('counters'), 1);
  attachClsact(loaded.program('probe_tc_next'), ifindex, 'ingress'); // in place of the first
  await expectCount(loaded.map('counters'), 2);
  const stranger = loaded.program('probe_tc');
  addon().attachClsact(stranger[native], ifindex, false, 5, 7);
  const [ours, theirs, ...more] = clsactFilters(ifindex, 'ingress');
  assert.deepEqual(more, []);
  assert.ok(isOwnClsactFilter(ours!));
  assert.equal(ours!.progId, loaded.program('probe_tc_next').info.id);
  assert.deepEqual([theirs?.handle, theirs?.priority, theirs?.progId], [5, 7, stranger.info.id]);
  assert.equal(detachClsact(ifindex, 'ingress'), true);
  assert.equal(detachClsact(ifindex, 'ingress'), false);
  assert.deepEqual(clsactFilters(ifindex, 'ingress'), [theirs]);
  assert.equal(hasClsactFilters(ifindex), true);
  addon().detachClsact(ifindex, false, 5, 7);
  assert.equal(hasClsactFilters(ifindex), false);
  removeClsact(ifindex);
  assert.deepEqual(clsactFilters(ifindex, 'ingress'), []);
}

function linkList(): void {
  const ifindex = vethPair();
  ip('link add br0 type bridge');
  ip('link set v1 master br0 mtu 1400');
  const all = links();
  const [v0, v1, bridge] = ['v0', 'v1', 'br0'].map((name) => all.find((link) => link.name === name)!);
  assert.equal(all.find((link) => link.name === 'lo')?.kind, 'loopback');
  const { mac, ...rest } = v1!;
  assert.equal(mac?.length, 6);
  assert.deepEqual(rest, {
    index: ifindex,
    name: 'v1',
    kind: 'veth',
    ethernet: true,
    up: true,
    mtu: 1400,
    master: bridge!.index,
    peerIndex: v0!.index,
  });
  assert.equal(bridge!.kind, 'bridge');
  assert.equal(bridge!.up, false);
}

function addressList(): void {
  const ifindex = vethPair();
  ip('address add fd00:77::1/64 dev v1 nodad');
  const own = addresses().filter((address) => address.ifindex === ifindex && address.scope === 'global');
  assert.deepEqual(own, [{ ifindex, address: 'fd00:77::1', prefixLength: 64, family: 6, scope: 'global' }]);
  const v0 = addresses().find(({ address }) => address === '10.77.0.1');
  assert.deepEqual([v0?.prefixLength, v0?.family, v0?.scope], [24, 4, 'global']);
}

function unreachable(): void {
  vethPair();
  for (const prefix of [
    { address: '198.18.0.0', bits: 15 },
    { address: 'fd00:5::', bits: 32 },
  ]) {
    assert.equal(addUnreachableRoute(prefix, 4096), true);
    assert.equal(addUnreachableRoute(prefix, 4096), false);
    const [route, ...more] = routes({ protocol: ownProtocol });
    assert.deepEqual(more, []);
    assert.deepEqual(route?.destination, prefix);
    assert.deepEqual([route?.type, route?.metric, route?.table], ['unreachable', 4096, 254]);
    assert.equal(removeUnreachableRoute(prefix, 4096), true);
    assert.equal(removeUnreachableRoute(prefix, 4096), false);
  }
  ip('route add 198.18.0.0/15 via 10.77.0.2 metric 4096');
  assert.throws(() => addUnreachableRoute({ address: '198.18.0.0', bits: 15 }, 4096), { code: 'EEXIST' });
  assert.equal(removeUnreachableRoute({ address: '198.18.0.0', bits: 15 }, 4096), false);
  assert.equal(routes({ type: 'unicast' }).filter(({ destination }) => destination.bits === 15).length, 1);
}

async function watching(): Promise<void> {
  vethPair();
  const seen: LinkChange[] = [];
  const stop = watchLinks((changes) => seen.push(...changes));
  const saw = async (kind: LinkChange['kind'], name: string) => {
    while (!seen.some((change) => change.kind === kind && change.link.name === name)) await sleep(2);
  };
  ip('link add w0 type veth peer name w1');
  await saw('added', 'w0');
  await saw('added', 'w1');
  ip('link set w0 name renamed');
  await saw('removed', 'w0');
  await saw('added', 'renamed');
  ip('link delete renamed');
  await saw('removed', 'renamed');
  await saw('removed', 'w1');
  assert.ok(!seen.some((change) => change.link.name.startsWith('v')));
  stop();
  stop();
}

function bpffs(): void {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-bpffs-'));
  assert.equal(isBpffs(directory), false);
  mountBpffs(directory);
  assert.equal(isBpffs(directory), true);
  const table = openFixture().load().map('table');
  table.pin(join(directory, 'table'));
  execFileSync('umount', [directory]);
  assert.throws(() => table.pin(join(directory, 'table')), { op: 'pin' });
  rmdirSync(directory);
  assert.throws(() => mountBpffs(directory), { code: 'ENOENT' });
}

/** v0 (10.77.0.1/24, knows a neighbour 10.77.0.2) and v1, both up; the index of v1. */
function vethPair(): number {
  ip('link set lo up');
  ip('link add v0 type veth peer name v1');
  ip('address add 10.77.0.1/24 dev v0');
  ip('link set v0 up');
  ip('link set v1 up');
  ip('neighbour add 10.77.0.2 lladdr 02:00:00:00:00:02 dev v0');
  return links().find(({ name }) => name === 'v1')!.index;
}

/** Sends packets out of v0, so into v1, until the slot of `counters` has risen. */
async function expectCount(counters: BpfMap, slot: number): Promise<void> {
  const before = counted(counters.get(u32(slot))!);
  const socket = createSocket('udp4');
  while (counted(counters.get(u32(slot))!) === before) {
    socket.send('?', 9, '10.77.0.2');
    await sleep(2);
  }
  socket.close();
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '));
}

const name = process.argv[2] ?? '';
assert.ok(scenarios[name], `no scenario ${name}`);
await scenarios[name]();
