import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import { answer, type Case, forwarded, hairpinned, refused, repliedFrom, send, set, untouched } from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';
import { type Talk, talks } from './talk.js';

type Headers = (ip: PacketBuilder) => PacketBuilder;

const LONG = Array.from({ length: 254 }, (_, i) => (i === 0 ? 1 : i === 1 ? 252 : 0));

/** Every way to put extension headers in front of TCP or UDP that leaves the ports readable. */
const headers: Readonly<Record<string, Headers>> = {
  'hop by hop': (ip) => ip.extension('hopByHop'),
  'destination options': (ip) => ip.extension('options'),
  'a route that is done': (ip) => ip.extension('routing'),
  'a fragment header of a whole packet': (ip) => ip.fragment(0, false),
  'all of them': (ip) =>
    ip.extension('hopByHop').extension('options').extension('routing').fragment(0, false).extension('options'),
  'as many as are read': (ip) =>
    Array.from({ length: 8 }).reduce<PacketBuilder>((inner) => inner.extension('options'), ip),
  'long ones': (ip) => ip.extension('hopByHop', LONG).extension('options', LONG),
};

/** IPv6 with extension headers: translated like any packet, the headers kept. */
export const extendedCases: readonly Case[] = talks
  .filter(({ family }) => family === 6)
  .flatMap((talk) => Object.entries(headers).flatMap(([what, put]) => behind(talk, what, put)));

function behind(talk: Talk, what: string, put: Headers): Case[] {
  const between = (from: string, to: string, flags: string, payload = 0, link = packet().eth()) => {
    const [src, dst] = [parseEndpoint(from), parseEndpoint(to)];
    return talk.transport(put(link.ipv6({ src: src.address, dst: dst.address })), src.port, dst.port, flags, payload);
  };
  const client = formatEndpoint({ address: talk.clientAddress, port: 40000 });
  const backend = talk.backend(1);
  const self = formatEndpoint({ address: parseEndpoint(backend).address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  const name = `${talk.name} behind ${what}`;
  return [
    {
      name: `${name}: both ways, mixed with plain packets`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        send(between(client, talk.vip, 'S'), forwarded(talk.names(3))),
        answer((chosen) => between(chosen, client, 'SA'), repliedFrom(talk.vip)),
        send(talk.ask('A'), forwarded('same')),
        send(between(client, talk.vip, 'PA', 700), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
        answer((chosen) => between(chosen, client, 'PA', 700, packet().eth().vlan(5)), repliedFrom(talk.vip)),
        send(between(client, talk.vip, 'PA', 3, packet().eth().vlan(100, 'qinq').vlan(7)), forwarded('same')),
      ],
      verdicts: { forwarded: 4, replied: 3 },
    },
    {
      name: `${name}: direct traffic is left alone`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [send(between(client, backend, 'S'), untouched), answer(between(backend, client, 'SA'), untouched)],
    },
    {
      name: `${name}: a client that is its own backend`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(between(self, talk.vip, 'S', 5), hairpinned(mirror, backend)),
        send(between(backend, mirror, 'SA', 5), hairpinned(talk.vip, self)),
      ],
      verdicts: { hairpinned: 1, replied: 1 },
    },
    {
      name: `${name}: when nobody takes it, the network stack may answer`,
      vips: { [talk.key]: {} },
      actions: [send(between(client, talk.vip, 'S'), untouched), send(talk.ask('S'), refused)],
      verdicts: { no_backend: 2 },
    },
    {
      name: `${name}: when its backend is removed, it goes to another`,
      vips: { [talk.key]: talk.backends(2) },
      actions: [
        send(between(client, talk.vip, 'S'), forwarded(talk.names(2))),
        set(talk.key, (chosen) =>
          Object.fromEntries(Object.entries(talk.backends(2)).filter(([one]) => one !== chosen)),
        ),
        send(between(client, talk.vip, 'PA'), forwarded('another')),
      ],
      verdicts: { forwarded: 2 },
    },
  ];
}
