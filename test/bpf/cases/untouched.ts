import { type Case, send, untouched } from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';
import { talks } from './talk.js';

const [tcp4, udp4, tcp6, udp6] = [talks[0]!, talks[1]!, talks[2]!, talks[3]!];
const four = { src: tcp4.clientAddress, dst: tcp4.vipAddress };
const six = { src: tcp6.clientAddress, dst: tcp6.vipAddress };

const v4 = () => packet().eth().ipv4(four);
const v6 = () => packet().eth().ipv6(six);
const tcpPorts = { sport: 40000, dport: 80, flags: 'S' };

/** What is not for us, or what we are not sure about, comes out as it went in. */
export const untouchedCases: readonly Case[] = [
  ...passes('what is not for a VIP', {
    'another IPv4 address': tcp4.ask('S', { to: '198.51.100.1:80' }),
    'another IPv6 address': tcp6.ask('S', { to: '[2001:db8:1::1]:80' }),
    'UDP to another address': udp4.ask('', { to: '198.51.100.1:80', payload: 30 }),
    'UDP over IPv6 to another address': udp6.ask('', { to: '[2001:db8:1::1]:80', payload: 30 }),
    'ARP for the VIP': packet().eth().arp('11.0.0.80'),
    'an unknown ethertype': packet().eth().payload(50, 0x88cc),
    'an answer to an echo request of the VIP': v4().icmp(0).payload(20),
    'an ICMP timestamp request to the VIP': v4().icmp(13).payload(12),
    'an ICMP redirect to the VIP': v4().icmp(5, 1, 0x0a000001).payload(talks[0]!.ask('A').build().subarray(14)),
    'a router solicitation to the VIP': v6().icmpv6(133, 0, 0),
    'another IP protocol to the VIP': v4().payload(40, 132),
    'another protocol over IPv6': v6().payload(40, 132),
    'UDP-Lite to the VIP': v4().payload(Buffer.from([0x9c, 0x40, 0, 80, 0, 8, 0, 0, 1, 2, 3]), 136),
    'UDP-Lite over IPv6': v6().payload(Buffer.from([0x9c, 0x40, 0, 80, 0, 8, 0, 0, 1, 2, 3]), 136),
    'an empty frame': packet().eth(),
  }),
  ...passes(
    'fragments',
    {
      'the last one alone': packet()
        .eth()
        .ipv4({ ...four, id: 77, offset: 185 })
        .tcp(tcpPorts)
        .payload(32),
      'one from the middle alone': packet()
        .eth()
        .ipv4({ ...four, id: 77, offset: 3, more: true })
        .udp(tcpPorts)
        .payload(32),
      'the last one alone, over IPv6': v6().fragment(5, false).udp(tcpPorts).payload(32),
      'a first one too short for its ports': packet()
        .eth()
        .ipv4({ ...four, id: 77, more: true })
        .payload(8, 6),
      'of ICMP': packet()
        .eth()
        .ipv4({ ...four, id: 77, more: true })
        .icmp(8)
        .payload(32),
      'of another protocol': packet()
        .eth()
        .ipv4({ ...four, id: 77, more: true })
        .payload(32, 132),
      'a fragment of a fragment': v6().fragment(0, true).fragment(0, true).udp(tcpPorts).payload(32),
    },
    { fragment: 1 },
  ),
  ...passes(
    'IPv6 extension headers',
    {
      'a route that is not done': v6().extension('routing', [4, 1]).udp(tcpPorts),
      'more than anybody needs': Array.from({ length: 9 })
        .reduce<PacketBuilder>((inner) => inner.extension('options'), v6())
        .tcp(tcpPorts),
      'one that goes on behind the end': v6()
        .extension('options')
        .payload(Buffer.from([6, 200, 1, 4, 0, 0, 0, 0]), 60),
      'nothing behind them': v6().extension('options').payload(0, 59),
      'another protocol behind them': v6().extension('options').payload(40, 132),
      'ports behind the end': v6().extension('options').payload(6, 17),
    },
    { unsupported: 1 },
  ),
  ...passes('IPv4 addresses in IPv6 headers', {
    'the VIP': tcp4.transport(packet().eth().ipv6(mapped(four)), 40000, 80, 'S'),
    'an address of the pool': udp4.transport(
      packet()
        .eth()
        .ipv6(mapped({ ...four, dst: udp4.unserved })),
      40000,
      80,
      '',
    ),
    'a client': tcp6.transport(
      packet()
        .eth()
        .ipv6({ ...six, src: mapped(four).src }),
      40000,
      80,
      'S',
    ),
  }),
  ...passes('headers that contradict themselves', {
    'IPv4 of another version': patched(v4().tcp(tcpPorts), 14, 0x55),
    'IPv4 header length 16': patched(v4().tcp(tcpPorts), 14, 0x44),
    'IPv4 header length behind the end': patched(v4().tcp(tcpPorts), 14, 0x4f),
    'TCP header length 16': patched(v4().tcp(tcpPorts).payload(8), 14 + 20 + 12, 0x40),
    'TCP header length behind the end': patched(v4().tcp(tcpPorts), 14 + 20 + 12, 0xf0),
    'IPv6 of another version': patched(v6().tcp(tcpPorts), 14, 0x40),
    'TCP header length over IPv6': patched(v6().tcp(tcpPorts).payload(8), 14 + 40 + 12, 0x00),
    'IPv4 length inside its header': packet()
      .eth()
      .ipv4({ ...four, totalLength: 19 })
      .tcp(tcpPorts),
    'IPv4 length inside the ports': packet()
      .eth()
      .ipv4({ ...four, totalLength: 22 })
      .tcp(tcpPorts),
    'IPv4 length inside the TCP header': packet()
      .eth()
      .ipv4({ ...four, totalLength: 30 })
      .tcp(tcpPorts),
    'IPv6 length inside the TCP header': packet()
      .eth()
      .ipv6({ ...six, payloadLength: 10 })
      .tcp(tcpPorts),
    'IPv6 length 0': packet()
      .eth()
      .ipv6({ ...six, payloadLength: 0 })
      .udp(tcpPorts),
  }),
];

/** Such addresses are for sockets and on no wire (RFC 4291 §2.5.5.2). */
function mapped({ src, dst }: { src: string; dst: string }): { src: string; dst: string } {
  return { src: `::ffff:${src}`, dst: `::ffff:${dst}` };
}

/** A case for each packet; `verdicts` is what each of them counts. */
function passes(
  what: string,
  packets: Readonly<Record<string, PacketBuilder>>,
  verdicts: Readonly<Record<string, number>> = {},
): Case[] {
  return Object.entries(packets).map(([name, one]) => ({
    name: `${what}: ${name}`,
    pools: [tcp4.pool, tcp6.pool],
    vips: Object.fromEntries(talks.map((talk) => [talk.key, talk.backends(2)])),
    actions: [send(one, untouched)],
    verdicts,
  }));
}

/** The same bytes with one changed; checksums are left as they were. */
function patched(builder: PacketBuilder, at: number, value: number): PacketBuilder {
  const bytes = builder.build();
  bytes[at] = value;
  return packet().payload(bytes);
}
