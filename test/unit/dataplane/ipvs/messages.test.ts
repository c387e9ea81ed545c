import { endianness } from 'node:os';
import test from 'ava';
import {
  type DestinationSettings,
  destinationBytes,
  destinationIn,
  destinationNamed,
  serviceBytes,
  serviceIn,
  serviceNamed,
  timeoutBytes,
  timeoutsIn,
} from '../../../../ts/dataplane/ipvs/messages.js';
import { attribute, nested, parseAttributes, u32Bytes } from '../../../../ts/netlink/message.js';

// The bytes are those of linux/ip_vs.h and linux/netlink.h, written out by hand.

const web = { protocol: 'tcp', address: '11.0.0.80', port: 80 } as const;
const six = { protocol: 'udp', address: 'fd01:c::80', port: 53 } as const;
const bytesOf = endianness() === 'LE' ? test : test.skip;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

bytesOf('a service is named by family, protocol, address and port', (t) => {
  t.is(
    hex(serviceNamed(web)),
    [
      '30000180', // nested, 48 bytes
      '060001000200' + '0000', // AF_INET
      '060002000600' + '0000', // TCP
      `140003000b000050${'00'.repeat(12)}`,
      '060004000050' + '0000', // port in network order
    ].join(''),
  );
});

bytesOf('an IPv6 service has its whole address, and a prefix length as its mask', (t) => {
  const bytes = hex(serviceBytes(six, { scheduler: 'mh', flags: 0x38, timeout: 0 }));
  t.true(bytes.includes('06000100' + '0a00'));
  t.true(bytes.includes('14000300' + 'fd01000c000000000000000000000080'));
  t.true(bytes.includes('07000600' + '6d6800' + '00')); // mh
  t.true(bytes.includes('0c000700' + '38000000' + 'ffffffff'));
  t.true(bytes.includes('08000800' + '00000000'));
  t.true(bytes.includes('08000900' + '80000000'));
});

bytesOf('a persistent IPv4 service has its seconds and a mask of all bits', (t) => {
  const bytes = hex(serviceBytes(web, { scheduler: 'wlc', flags: 1, timeout: 300 }));
  t.true(bytes.includes('08000600' + '776c6300'));
  t.true(bytes.includes('08000800' + '2c010000'));
  t.true(bytes.includes('08000900' + 'ffffffff'));
});

bytesOf('a destination has its family, for it may be another than the service has', (t) => {
  const one: DestinationSettings = { address: '10.0.0.1', port: 8080, method: 2, weight: 256 };
  const bytes = hex(destinationBytes(one));
  t.true(bytes.startsWith('48000280'), bytes);
  t.true(bytes.includes('06000b00' + '0200'));
  t.true(bytes.includes(`140001000a000001${'00'.repeat(12)}`));
  t.true(bytes.includes('06000200' + '1f90'));
  t.true(bytes.includes('08000300' + '02000000'));
  t.true(bytes.includes('08000400' + '00010000'));
  t.true(bytes.endsWith('08000500' + '00000000' + '08000600' + '00000000'));
  t.is(hex(destinationNamed(one)).length, 2 * 0x28);
});

test('what is written is read back', (t) => {
  for (const one of [web, six]) {
    const settings = { scheduler: 'mh', flags: 0x39, timeout: 60 };
    t.like(serviceIn(parseAttributes(serviceBytes(one, settings))), { ...one, ...settings });
  }
  const four: DestinationSettings = { address: '10.0.0.1', port: 1, method: 0, weight: 0 };
  t.like(destinationIn(parseAttributes(destinationBytes(four)), 6), { ...four });
  const timeouts = { tcp: 900, tcpFin: 120, udp: 300 };
  t.deepEqual(timeoutsIn(parseAttributes(timeoutBytes(timeouts))), timeouts);
});

test('counters add up both directions', (t) => {
  const u64 = (value: bigint) => {
    const bytes = Buffer.alloc(8);
    if (endianness() === 'LE') bytes.writeBigUInt64LE(value);
    else bytes.writeBigUInt64BE(value);
    return bytes;
  };
  const numbers = nested(12, ...[5n, 10n, 20n, 100n, 1n << 40n].map((value, i) => attribute(i + 1, u64(value))));
  const inner = parseAttributes(serviceNamed(web)).get(1)!;
  const service = serviceIn(parseAttributes(nested(1, inner, numbers)));
  t.deepEqual(service?.totals, { connections: 5n, packets: 30n, bytes: (1n << 40n) + 100n, packetsIn: 10n });
});

test('what the kernel adds to the flags is left out, and what is no service of an address is none', (t) => {
  const hashed = serviceBytes(web, { scheduler: 'rr', flags: 2 | 0x20, timeout: 0 });
  t.is(serviceIn(parseAttributes(hashed))?.flags, 0x20);
  t.is(serviceIn(parseAttributes(nested(1, attribute(5, u32Bytes(7))))), undefined);
  t.is(serviceIn(new Map()), undefined);
  t.is(destinationIn(new Map(), 4), undefined);
});

test('a destination without a family has that of its service', (t) => {
  const address = Buffer.alloc(16);
  address.set([10, 0, 0, 9]);
  const old = nested(2, attribute(1, address), attribute(2, Buffer.from([0, 80])), attribute(3, u32Bytes(0x100)));
  t.like(destinationIn(parseAttributes(old), 4), { address: '10.0.0.9', port: 80, method: 0 });
});
