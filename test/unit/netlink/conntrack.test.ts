import test from 'ava';
import ipaddr from 'ipaddr.js';
import { trackedOf } from '../../../ts/netlink/conntrack.js';
import { attribute, nested } from '../../../ts/netlink/message.js';

// Numbers of linux/netfilter/nfnetlink_conntrack.h.

interface Ends {
  readonly from: readonly [address: string, port: number];
  readonly to: readonly [address: string, port: number];
}

function port(type: number, value: number): Buffer {
  return attribute(type, Uint8Array.of(value >> 8, value & 255));
}

function tuple(type: number, family: number, protocol: number, { from, to }: Ends): Buffer {
  const [source, destination] = family === 2 ? [1, 2] : [3, 4];
  const bytes = (address: string) => Uint8Array.from(ipaddr.parse(address).toByteArray());
  return nested(
    type,
    nested(1, attribute(source, bytes(from[0])), attribute(destination, bytes(to[0]))),
    nested(2, attribute(1, Uint8Array.of(protocol)), port(2, from[1]), port(3, to[1])),
  );
}

function message(family: number, protocol: number, ends: Ends, answer: Ends, ...more: readonly Buffer[]) {
  const tuples = [tuple(1, family, protocol, ends), tuple(2, family, protocol, answer)];
  return { type: 0x100, payload: Buffer.concat([Uint8Array.of(family, 0, 0, 0), ...tuples, ...more]) };
}

const tcpState = (state: number) => nested(4, nested(1, attribute(1, Uint8Array.of(state))));

const asked: Ends = { from: ['10.0.0.2', 40000], to: ['10.0.0.9', 80] };
const answered: Ends = { from: ['10.0.0.9', 80], to: ['10.0.0.2', 25466] };

test('a TCP connection whose source port is another behind this node', (t) => {
  t.like(trackedOf(message(2, 6, asked, answered, tcpState(3))), {
    protocol: 'tcp',
    original: { source: { address: '10.0.0.2', port: 40000 }, destination: { address: '10.0.0.9', port: 80 } },
    reply: { source: { address: '10.0.0.9', port: 80 }, destination: { address: '10.0.0.2', port: 25466 } },
    over: false,
  });
});

test('IPv6, UDP, and by which states of TCP a connection is over', (t) => {
  const ends: Ends = { from: ['fd00::2', 5], to: ['fd00::9', 53] };
  const answer: Ends = { from: ['fd00::9', 53], to: ['fd00::2', 5] };
  t.like(trackedOf(message(10, 17, ends, answer)), {
    protocol: 'udp',
    family: 10,
    original: { source: { address: 'fd00::2', port: 5 } },
    over: false,
  });
  const over = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter(
    (state) => trackedOf(message(2, 6, asked, answered, tcpState(state)))?.over,
  );
  t.deepEqual(over, [7, 8]);
});

test('what names it to the kernel is its tuple and its id', (t) => {
  const id = attribute(12, Uint8Array.of(1, 2, 3, 4));
  const name = trackedOf(message(2, 6, asked, answered, tcpState(7), id))?.name;
  t.deepEqual(name, Buffer.concat([tuple(1, 2, 6, asked), id]));
});

test('other protocols, other zones, other messages and torn ones are none', (t) => {
  const whole = message(2, 6, asked, answered);
  t.is(trackedOf(message(2, 1, asked, answered)), undefined);
  t.is(trackedOf(message(2, 6, asked, answered, attribute(18, Uint8Array.of(0, 7)))), undefined);
  t.is(trackedOf({ ...whole, type: 0x102 }), undefined);
  for (let length = 0; length < whole.payload.length; length++) {
    t.is(trackedOf({ ...whole, payload: whole.payload.subarray(0, length) }), undefined, `${length} bytes`);
  }
});
