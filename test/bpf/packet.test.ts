import test from 'ava';
import { dissect } from './dissect.js';
import { packet } from './packet.js';

const v4 = { src: '192.0.2.1', dst: '10.0.0.1' };
const v6 = { src: '2001:db8::1', dst: 'fd00::1' };

test('what the builder writes, the dissector reads', (t) => {
  const tcp = { sport: 40000, dport: 80, flags: 'SA', seq: 7, ack: 9, options: [2, 4, 5, 180] };
  const frame = dissect(
    packet()
      .eth()
      .vlan(5)
      .ipv4({ ...v4, ttl: 9, options: [1, 1, 1] })
      .tcp(tcp)
      .payload(3)
      .build(),
  );
  t.like(frame.ip, { ...v4, ttl: 9, rest: '004242000001010100' });
  t.deepEqual(frame.transport, {
    kind: 'tcp',
    sport: 40000,
    dport: 80,
    seq: 7,
    ack: 9,
    flags: 'SA',
    rest: 'faf00000020405b4',
  });
  t.deepEqual([frame.vlans, frame.payload, frame.problems], [['81000005'], '000102', []]);
  const udp = dissect(packet().eth().ipv6(v6).udp({ sport: 1, dport: 2 }).payload(4).build());
  t.like(udp, { ip: v6, transport: { kind: 'udp', sport: 1, dport: 2, summed: true }, problems: [] });
});

test('the IPv4 checksum of the worked example of the literature', (t) => {
  const dontFragment = 0x4000;
  const ends = { src: '192.168.0.1', dst: '192.168.0.199' };
  const header = packet().ipv4({ ...ends, ttl: 64, id: 0, offset: dontFragment, totalLength: 0x73 });
  const bytes = header.udp({ sport: 53, dport: 53 }).build();
  t.is(bytes.toString('hex', 0, 20), '45000073000040004011b861c0a80001c0a800c7');
});

test('every single wrong bit behind the addresses of the link is noticed', (t) => {
  const good = packet().eth().ipv4(v4).udp({ sport: 1, dport: 2 }).payload(5).build();
  const noticed = (bytes: Buffer) => {
    try {
      return dissect(bytes).problems.length > 0;
    } catch (error) {
      return error instanceof RangeError;
    }
  };
  t.false(noticed(good));
  for (let bit = 14 * 8; bit < good.length * 8; bit++) {
    const bad = Buffer.from(good);
    bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    t.true(noticed(bad), `bit ${bit}`);
  }
});
