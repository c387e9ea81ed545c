import test from 'ava';
import { attribute, u32Bytes } from '../../../ts/netlink/message.js';
import { lookUpRequest, neighbourIn } from '../../../ts/netlink/neighbours.js';
import { pathIn, pathRequest } from '../../../ts/netlink/path.js';

const mac = Buffer.from('0200000000aa', 'hex');

/** An RTM_NEWNEIGH message: struct ndmsg, address, MAC. */
function neighbour(family: number, state: number, address: Buffer, lladdr: Buffer | undefined) {
  const header = Buffer.alloc(12);
  header[0] = family;
  header.set(u32Bytes(7), 4);
  header.writeUInt16LE(state, 8);
  const attributes = [attribute(1, address), ...(lladdr ? [attribute(2, lladdr)] : [])];
  return { type: 28, payload: Buffer.concat([header, ...attributes]) };
}

test('a neighbour has its MAC address in every state but unknown and failed', (t) => {
  const of = (state: number) => neighbourIn(neighbour(2, state, Buffer.of(10, 0, 0, 1), mac));
  const known = { ifindex: 7, address: '10.0.0.1', mac: Uint8Array.from(mac) };
  for (const fresh of [0x02, 0x40, 0x80]) t.deepEqual(of(fresh), { ...known, fresh: true });
  for (const old of [0x04, 0x08, 0x10]) t.deepEqual(of(old), { ...known, fresh: false });
  for (const none of [0x00, 0x01, 0x20]) t.deepEqual(of(none), { ifindex: 7, address: '10.0.0.1', fresh: false });
});

test('neighbours of other families, and without an Ethernet address', (t) => {
  const six = Buffer.from('fe800000000000000000000000000001', 'hex');
  t.is(neighbourIn(neighbour(10, 2, six, mac))?.address, 'fe80::1');
  t.is(neighbourIn(neighbour(7, 2, Buffer.of(10, 0, 0, 1), mac)), undefined);
  t.is(neighbourIn(neighbour(2, 2, Buffer.of(10, 0, 0, 1), Buffer.of(1, 2, 3, 4)))?.mac, undefined);
});

test('a look-up names the address and asks the kernel to use it', (t) => {
  t.is(lookUpRequest(7, '10.0.0.1').toString('hex'), '020000000700000000000100' + '08000100' + '0a000001');
});

/** An RTM_NEWROUTE message: struct rtmsg with a type, attributes. */
function route(family: number, type: number, ...attributes: Buffer[]) {
  const header = Buffer.alloc(12);
  header[0] = family;
  header[7] = type;
  return { type: 24, payload: Buffer.concat([header, ...attributes]) };
}

test('reads where a route leads: on the link, by a router, with a source and an MTU of its own', (t) => {
  const out = attribute(4, u32Bytes(3));
  t.deepEqual(pathIn(route(2, 1, out)), { local: false, ifindex: 3 });
  t.deepEqual(pathIn(route(2, 2, out, attribute(7, Buffer.of(10, 0, 0, 9)))), {
    local: true,
    ifindex: 3,
    source: '10.0.0.9',
  });
  const metrics = attribute(8, attribute(2, u32Bytes(1400)));
  t.deepEqual(pathIn(route(2, 1, out, attribute(5, Buffer.of(10, 0, 0, 1)), metrics)), {
    local: false,
    ifindex: 3,
    gateway: '10.0.0.1',
    mtu: 1400,
  });
  const via = Buffer.from('0a00fe800000000000000000000000000001', 'hex');
  t.is(pathIn(route(2, 1, out, attribute(18, via)))?.gateway, 'fe80::1');
});

test('an unreachable route leads nowhere', (t) => {
  t.is(pathIn(route(2, 7, attribute(4, u32Bytes(1)))), undefined);
  t.is(pathIn(route(2, 1)), undefined);
  t.is(pathRequest('fd00::1').readUInt8(1), 128);
});
