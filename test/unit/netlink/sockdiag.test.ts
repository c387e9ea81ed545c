import test from 'ava';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { parseAttributes, u16, u32, u32Bytes } from '../../../ts/netlink/message.js';
import {
  DESTINATIONS_MAX,
  type Destination,
  destinationFilter,
  destroyRequest,
  endsOf,
  findRequest,
  socketIn,
} from '../../../ts/netlink/sockdiag.js';

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const address = fc.oneof(octets(4), octets(16)).map((bytes) => ipaddr.fromByteArray([...bytes]));
const destination = fc
  .tuple(address, fc.integer({ min: 1, max: 65_535 }))
  // Mapped addresses are IPv4 addresses to all of vipd.
  .map(([ip, port]): Destination => ({ address: ipaddr.process(ip.toString()).toString(), port }));
const destinations = fc.array(destination, { maxLength: DESTINATIONS_MAX });

/** What inet_diag_bc_audit demands of a program, and inet_diag_bc_run makes of it (net/ipv4/inet_diag.c). */
function run(program: Buffer, family: 4 | 6, peer: Uint8Array, port: number): boolean {
  const chain = new Set([program.length]);
  for (let at = 0; at < program.length; at += program[at + 1]!) {
    if (program[at + 1]! < 4 || program[at + 1]! % 4 !== 0) throw new Error('broken chain');
    chain.add(at);
  }
  let at = 0;
  while (at < program.length) {
    const [code, yes, no] = [program[at], program[at + 1]!, u16(program, at + 2)];
    if (no < 4 || no % 4 !== 0 || at + no > program.length + 4) throw new Error('jump out of bounds');
    if (at + no < program.length && !chain.has(at + no)) throw new Error('jump into an operation');
    at += code === 8 && holds(program.subarray(at + 4, at + yes), family, peer, port) ? yes : no;
  }
  return at === program.length;
}

function holds(cond: Buffer, family: 4 | 6, peer: Uint8Array, port: number): boolean {
  const wanted = cond.subarray(8);
  if (cond[1] !== wanted.length * 8 || u32(cond, 4) !== port) return false;
  if (cond[0] === (family === 4 ? 2 : 10)) return wanted.equals(peer);
  return cond[0] === 2 && Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), wanted]).equals(peer);
}

test('the filter takes exactly the sockets that are connected to one of the destinations', (t) => {
  fc.assert(
    fc.property(destinations, destination, (list, other) => {
      const program = destinationFilter(list);
      for (const { address, port } of [...list, other]) {
        const wanted = list.some((one) => one.address === address && one.port === port);
        const ip = ipaddr.parse(address);
        const bytes = Uint8Array.from(ip.toByteArray());
        t.is(run(program, bytes.length === 4 ? 4 : 6, bytes, port), wanted);
        t.false(run(program, bytes.length === 4 ? 4 : 6, bytes, (port % 65_535) + 1) && list.length === 1);
        if (ip instanceof ipaddr.IPv4) {
          t.is(run(program, 6, Uint8Array.from(ip.toIPv4MappedAddress().toByteArray()), port), wanted, 'mapped');
        }
      }
    }),
  );
});

test('a request names family, protocol and states, and is filtered only when asked', (t) => {
  const all = findRequest({ protocol: 'udp', family: 6 });
  t.deepEqual([all.length, all[0], all[1], u32(all, 4)], [56, 10, 17, 0b100110110]);
  const some = findRequest({ protocol: 'tcp', family: 4, destinations: [{ address: '10.0.0.1', port: 80 }] });
  t.deepEqual([some[0], some[1], [...parseAttributes(some, 56).keys()]], [2, 6, [1]]);
});

/** An inet_diag_msg. */
function message(family: 4 | 6, id: Buffer, inode: number) {
  const payload = Buffer.concat([Buffer.of(family === 4 ? 2 : 10, 1, 0, 0), id, Buffer.alloc(16), u32Bytes(inode)]);
  return { type: 20, payload };
}

/** struct inet_diag_sockid */
function sockid(local: Uint8Array, remote: Uint8Array): Buffer {
  const id = Buffer.alloc(48);
  id.writeUInt16BE(40_000, 0);
  id.writeUInt16BE(53, 2);
  id.set(local, 4);
  id.set(remote, 20);
  id.set(u32Bytes(7), 36);
  id.set(Buffer.from('cookie!!'), 40);
  return id;
}

test('reads the ends of a socket, and names it whole to have it destroyed', (t) => {
  for (const family of [4, 6] as const) {
    const [local, remote] = [Buffer.alloc(family === 4 ? 4 : 16, 1), Buffer.alloc(family === 4 ? 4 : 16, 2)];
    const id = sockid(local, remote);
    const socket = socketIn(message(family, id, 99), 'udp')!;
    const ends = endsOf(socket);
    const sixteen = (bytes: Buffer) =>
      Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), bytes]).subarray(-16);
    t.deepEqual([Buffer.from(ends.local), Buffer.from(ends.remote)], [sixteen(local), sixteen(remote)]);
    t.like(ends, { localPort: 40_000, remotePort: 53, ifindex: 7 });
    const request = destroyRequest(socket);
    t.deepEqual([request[0], request[1], request.subarray(8)], [family === 4 ? 2 : 10, 17, id]);
  }
});

test('a socket that nobody holds is none, and neither is a message that is cut short', (t) => {
  const id = sockid(Buffer.alloc(4), Buffer.alloc(4));
  t.is(socketIn(message(4, id, 0), 'tcp'), undefined);
  const { payload } = message(4, id, 1);
  for (let length = 0; length < payload.length; length++) {
    t.is(socketIn({ type: 20, payload: payload.subarray(0, length) }, 'tcp'), undefined);
  }
});
