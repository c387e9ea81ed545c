import { formatEndpoint } from '../../../ts/model/address.js';
import { type Case, refused, send, untouched } from '../case.js';
import { packet } from '../packet.js';
import { type Talk, talks, tcpTalks } from './talk.js';

/** What nobody serves is refused at once, in the words of the protocol; a refusal is never answered. */
export const refuseCases: readonly Case[] = [...talks.flatMap(nobody), ...tcpTalks.flatMap(resets), ...silence()];

function nobody(talk: Talk): Case[] {
  const { key, name } = talk;
  const client = formatEndpoint({ address: talk.clientAddress, port: 40000 });
  return [
    {
      name: `${name}: a VIP without backends refuses`,
      vips: { [key]: {} },
      actions: [0, 1, 8, 9, 1400].map((payload) => send(talk.ask('S', { payload }), refused)),
      verdicts: { no_backend: 5 },
    },
    {
      name: `${name}: a port of a VIP's address that no service has is refused`,
      vips: { [key]: talk.backends(1) },
      actions: [send(talk.ask('S', { to: talk.vip.replace(/80$/, '443') }), refused)],
      verdicts: { unserved: 1 },
    },
    {
      name: `${name}: a VIP of the other protocol does not serve this one`,
      vips: { [key.replace(/^\w+/, talk.protocol === 'tcp' ? 'udp' : 'tcp')]: talk.backends(1) },
      actions: [send(talk.ask('S'), refused)],
      verdicts: { unserved: 1 },
    },
    {
      name: `${name}: an address of a pool that no VIP has is refused`,
      pools: [talk.pool],
      actions: [send(talk.ask('S', { to: formatEndpoint({ address: talk.unserved, port: 80 }) }), refused)],
      verdicts: { unserved: 1 },
    },
    {
      name: `${name}: a refusal keeps the VLAN tags of the packet`,
      vips: { [key]: {} },
      actions: [packet().eth().vlan(5), packet().eth().vlan(100, 'qinq').vlan(7)].map((link) =>
        send(talk.between(link, client, talk.vip, 'S', 20), refused),
      ),
      verdicts: { no_backend: 2 },
    },
    {
      name: `${name}: padding of a short frame does not count as data`,
      vips: { [key]: {} },
      actions: [send(talk.ask('S').padded(60), refused)],
      verdicts: { no_backend: 1 },
    },
  ];
}

function resets(talk: Talk): Case[] {
  const numbers = [0, 1, 0x7fffffff, 0xffffffff];
  const segment = (flags: string, seq: number, ack: number, payload = 0) =>
    packet()
      .eth()
      .ip({ src: talk.clientAddress, dst: talk.vipAddress })
      .tcp({ sport: 40000, dport: 80, flags, seq, ack, options: [1, 1, 1, 0] })
      .payload(payload);
  const withoutAck = ['S', 'F', 'SF', 'P', ''].flatMap((flags) => numbers.map((n) => segment(flags, n, 77, 3)));
  const withAck = ['A', 'SA', 'FA', 'PA'].flatMap((flags) => numbers.map((n) => segment(flags, 77, n, 3)));
  return [
    {
      name: `${talk.name}: sequence numbers of a RST follow RFC 9293`,
      vips: { [talk.key]: {} },
      actions: [...withoutAck, ...withAck].map((one) => send(one, refused)),
      verdicts: { no_backend: withoutAck.length + withAck.length },
    },
    {
      name: `${talk.name}: a RST is never answered`,
      vips: { [talk.key]: {} },
      actions: ['R', 'RA', 'RS'].map((flags) => send(talk.ask(flags), untouched)),
      verdicts: { no_backend: 3 },
    },
  ];
}

/** RFC 1122 §3.2.2: no ICMP error about a packet that was not sent to one machine by one machine. */
function silence(): Case[] {
  const [tcp, udp] = [talks[0]!, talks[1]!];
  const senders = ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255'];
  const to = { dst: '11.0.0.80' };
  const ask = (talk: Talk, src: string, dst?: string) =>
    talk.transport(
      packet()
        .eth(dst === undefined ? {} : { dst })
        .ipv4({ src, ...to }),
      40000,
      80,
      'S',
    );
  return [tcp, udp].flatMap((talk): Case[] => [
    {
      name: `${talk.name}: what cannot be a sender gets no answer`,
      vips: { [talk.key]: {} },
      actions: senders.map((src) => send(ask(talk, src), untouched)),
      verdicts: { no_backend: senders.length },
    },
    {
      name: `${talk.name}: a broadcast frame is left alone`,
      vips: { [talk.key]: {} },
      actions: [send(ask(talk, talk.clientAddress, 'ff:ff:ff:ff:ff:ff'), untouched)],
    },
  ]);
}
