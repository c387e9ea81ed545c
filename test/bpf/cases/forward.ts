import { type Case, forwarded, send, untouched } from '../case.js';
import { packet } from '../packet.js';
import { type Talk, talks, tcpTalks } from './talk.js';

/** Client to VIP: the destination becomes a backend, and nothing else changes. */
export const forwardCases: readonly Case[] = [
  ...talks.flatMap(plain),
  ...tcpTalks.flatMap(tcpOnly),
  ...headers(),
  ...udpChecksums(),
];

function plain(talk: Talk): Case[] {
  const { key, name } = talk;
  const ports = Array.from({ length: 40 }, (_, i) => 41000 + i);
  return [
    {
      name: `${name}: a new connection goes to a backend`,
      vips: { [key]: talk.backends(1) },
      actions: [send(talk.ask('S'), forwarded(talk.names(1)))],
      verdicts: { forwarded: 1 },
    },
    {
      name: `${name}: a connection stays with its backend`,
      vips: { [key]: talk.backends(5) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        send(talk.ask('A'), forwarded('same')),
        send(talk.ask('PA', { payload: 33 }), forwarded('same')),
        send(talk.ask('PA', { payload: 1400 }), forwarded('same')),
      ],
      verdicts: { forwarded: 4 },
    },
    {
      name: `${name}: a client may have many connections, each to one of the backends`,
      vips: { [key]: talk.backends(3) },
      actions: ports.map((sport) => send(talk.ask('S', { sport }), forwarded(talk.names(3)))),
      verdicts: { forwarded: ports.length },
    },
    {
      name: `${name}: one and two VLAN tags stay`,
      vips: { [key]: talk.backends(2) },
      actions: [packet().eth().vlan(5), packet().eth().vlan(100, 'qinq').vlan(7)].map((link) =>
        send(talk.between(link, `${ipText(talk)}:40000`, talk.vip, 'S', 5), forwarded(talk.names(2))),
      ),
      verdicts: { forwarded: 2 },
    },
    {
      name: `${name}: three VLAN tags are more than we read`,
      vips: { [key]: talk.backends(2) },
      actions: [
        send(talk.between(packet().eth().vlan(1).vlan(2).vlan(3), `${ipText(talk)}:40000`, talk.vip, 'S'), untouched),
      ],
    },
    {
      name: `${name}: another port of a backend is another backend`,
      vips: { [key]: { [talk.backend(1, 9001)]: 1, [talk.backend(1, 9002)]: 1 } },
      actions: [
        send(talk.ask('S'), forwarded([talk.backend(1, 9001), talk.backend(1, 9002)])),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: { forwarded: 2 },
    },
  ];
}

/** The client's address as it stands in front of a port. */
function ipText(talk: Talk): string {
  return talk.family === 4 ? talk.clientAddress : `[${talk.clientAddress}]`;
}

function tcpOnly(talk: Talk): Case[] {
  return [
    {
      name: `${talk.name}: a SYN that is sent again stays with its backend`,
      vips: { [talk.key]: talk.backends(5) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        send(talk.ask('S'), forwarded('same')),
        send(talk.ask('S'), forwarded('same')),
      ],
      verdicts: { forwarded: 3 },
    },
    {
      name: `${talk.name}: a connection that is older than the table goes where the selection says`,
      vips: { [talk.key]: talk.backends(5) },
      actions: [send(talk.ask('PA'), forwarded(talk.names(5))), send(talk.ask('A'), forwarded('same'))],
      verdicts: { forwarded: 2 },
    },
    {
      name: `${talk.name}: TCP options stay`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(
          packet()
            .eth()
            .ip({ src: talk.clientAddress, dst: talk.vipAddress })
            .tcp({ sport: 40000, dport: 80, flags: 'S', options: [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0] }),
          forwarded(talk.names(1)),
        ),
      ],
      verdicts: { forwarded: 1 },
    },
  ];
}

function headers(): Case[] {
  const [v4, v6] = [talks[0]!, talks[2]!];
  const four = { src: v4.clientAddress, dst: v4.vipAddress };
  const six = { src: v6.clientAddress, dst: v6.vipAddress };
  return [
    {
      name: 'IPv4: TTL, TOS and identification stay',
      vips: { [v4.key]: v4.backends(1) },
      actions: [1, 2, 64, 255].map((ttl) =>
        send(
          v4.transport(
            packet()
              .eth()
              .ipv4({ ...four, ttl, tos: 0xb9, id: 0xffff }),
            40000,
            80,
            'S',
          ),
          forwarded(v4.names(1)),
        ),
      ),
      verdicts: { forwarded: 4 },
    },
    {
      name: 'IPv4: options stay',
      vips: { [v4.key]: v4.backends(1) },
      actions: [4, 8, 40].map((length) => {
        const options = new Array<number>(length).fill(1);
        return send(
          v4.transport(
            packet()
              .eth()
              .ipv4({ ...four, options }),
            40000,
            80,
            'S',
            11,
          ),
          forwarded(v4.names(1)),
        );
      }),
      verdicts: { forwarded: 3 },
    },
    {
      name: 'IPv4: padding of a short frame stays',
      vips: { [v4.key]: v4.backends(1) },
      actions: [send(v4.ask('S').padded(60), forwarded(v4.names(1)))],
      verdicts: { forwarded: 1 },
    },
    {
      name: 'IPv6: hop limit, traffic class and flow label stay',
      vips: { [v6.key]: v6.backends(1) },
      actions: [
        send(
          v6.transport(
            packet()
              .eth()
              .ipv6({ ...six, hopLimit: 1, trafficClass: 0xb9, flowLabel: 0xfffff }),
            40000,
            80,
            'S',
          ),
          forwarded(v6.names(1)),
        ),
      ],
      verdicts: { forwarded: 1 },
    },
  ];
}

function udpChecksums(): Case[] {
  const udp = talks[1]!;
  const ends = { src: udp.clientAddress, dst: udp.vipAddress };
  return [
    {
      name: 'UDP over IPv4: a checksum that was not computed stays so',
      vips: { [udp.key]: udp.backends(1) },
      actions: [
        send(
          packet().eth().ipv4(ends).udp({ sport: 40000, dport: 80, checksum: 'none' }).payload(9),
          forwarded(udp.names(1)),
        ),
      ],
      verdicts: { forwarded: 1 },
    },
  ];
}
