import test from 'ava';
import { addressIn } from '../../../ts/netlink/addresses.js';
import { filterIn } from '../../../ts/netlink/filters.js';
import { changesBetween, linkIn, type NetworkLink } from '../../../ts/netlink/links.js';
import { attribute, u32Bytes } from '../../../ts/netlink/message.js';
import { ownProtocol, routeIn, unreachableRoute } from '../../../ts/netlink/routes.js';

/** A fixed header with some bytes set, followed by attributes. */
function message(size: number, header: Readonly<Record<number, number | Uint8Array>>, ...attributes: Buffer[]) {
  const bytes = Buffer.alloc(size);
  for (const [at, value] of Object.entries(header)) {
    bytes.set(typeof value === 'number' ? [value] : value, Number(at));
  }
  return { type: 0, payload: Buffer.concat([bytes, ...attributes]) };
}

test('reads an interface with kind, master, peer and XDP program', (t) => {
  const link = linkIn(
    message(
      16,
      { 4: u32Bytes(7), 8: u32Bytes(1) },
      attribute(3, Buffer.from('veth7\0')),
      attribute(4, u32Bytes(1400)),
      attribute(5, u32Bytes(8)),
      attribute(10, u32Bytes(2)),
      attribute(18, attribute(1, Buffer.from('veth\0'))),
      attribute(43, Buffer.concat([attribute(2, Buffer.of(2)), attribute(4, u32Bytes(99))])),
    ),
  );
  t.deepEqual(link, {
    index: 7,
    name: 'veth7',
    kind: 'veth',
    ethernet: false,
    up: true,
    mtu: 1400,
    master: 2,
    peerIndex: 8,
    xdp: { mode: 'generic', progId: 99 },
  });
});

test('reads an interface without a kind', (t) => {
  const header = { 4: u32Bytes(1), 8: u32Bytes(8) };
  t.deepEqual(linkIn(message(16, header, attribute(3, Buffer.from('lo\0')))), {
    index: 1,
    name: 'lo',
    kind: 'loopback',
    ethernet: false,
    up: false,
    mtu: 0,
  });
});

test('of a point-to-point address reads the end that is ours', (t) => {
  const local = attribute(2, Buffer.of(10, 0, 0, 1));
  const other = attribute(1, Buffer.of(10, 0, 0, 2));
  t.deepEqual(addressIn(message(8, { 0: 2, 1: 32, 3: 253, 4: u32Bytes(5) }, other, local)), {
    ifindex: 5,
    address: '10.0.0.1',
    prefixLength: 32,
    family: 4,
    scope: 'link',
  });
  t.is(addressIn(message(8, { 0: 17 }, local)), undefined);
});

test('reads back the unreachable route it would ask for', (t) => {
  for (const [address, bits] of [
    ['198.18.0.0', 15],
    ['fd00::', 8],
  ] as const) {
    t.deepEqual(routeIn({ type: 24, payload: unreachableRoute({ address, bits }, 4096, 1000) }), {
      destination: { address, bits },
      type: 'unreachable',
      metric: 4096,
      table: 1000,
      protocol: ownProtocol,
    });
  }
});

test('a default route has a destination of zeros', (t) => {
  t.deepEqual(routeIn(message(12, { 0: 10, 7: 1 }))?.destination, { address: '::', bits: 0 });
});

test('reads BPF filters and passes over the others', (t) => {
  const header = { 8: u32Bytes(1), 16: u32Bytes((3 << 16) | 0x300) };
  const options = attribute(2, Buffer.concat([attribute(11, u32Bytes(42)), attribute(7, Buffer.from('mine\0'))]));
  const kind = (name: string) => attribute(1, Buffer.from(`${name}\0`));
  t.deepEqual(filterIn(message(20, header, kind('bpf'), options)), {
    handle: 1,
    priority: 3,
    progId: 42,
    name: 'mine',
  });
  t.is(filterIn(message(20, header, kind('u32'), options)), undefined);
  t.is(filterIn(message(20, header, kind('bpf'))), undefined);
});

test('an interface that is renamed or whose index is reused goes and comes', (t) => {
  const link = (index: number, name: string): NetworkLink => ({
    index,
    name,
    kind: 'veth',
    ethernet: true,
    up: true,
    mtu: 1500,
  });
  const before = [link(1, 'lo'), link(2, 'a'), link(3, 'b')];
  t.deepEqual(changesBetween(before, [link(1, 'lo'), link(2, 'c'), { ...link(3, 'b'), up: false }]), [
    { kind: 'removed', link: link(2, 'a') },
    { kind: 'added', link: link(2, 'c') },
  ]);
  t.deepEqual(changesBetween(before, before), []);
});
