import { type Action, type Case, send, turnsInto, untouched } from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';
import { type Talk, talks } from './talk.js';

const SENDERS = {
  4: ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '11.0.0.80', '11.0.9.9'],
  6: ['::', '::1', 'ff02::1', 'fd11::80', 'fd11::9:9'],
} as const;

/** Identifiers and sequence numbers that make for carries; odd-checksum.test.ts has all. */
const IDS = [0, 0xffff, 0xffff0000, 0xffffffff, 0xf7fff7ff, 0xf0ffffff, 0x00ff0700];

/** A VIP answers echo requests, whatever it serves and whether its backends do. */
export const echoCases: readonly Case[] = talks.filter(({ protocol }) => protocol === 'tcp').flatMap(echoes);

/** A request, or the reply to it. */
function message(
  talk: Talk,
  kind: 'request' | 'reply',
  link: PacketBuilder,
  payload: number | Buffer,
  id = 0x00010001,
) {
  const [src, dst] = kind === 'request' ? [talk.clientAddress, talk.vipAddress] : [talk.vipAddress, talk.clientAddress];
  const ip =
    talk.family === 4
      ? link.ipv4({ src, dst, tos: 0xb9, ...(kind === 'reply' ? { ttl: 64 } : {}) })
      : link.ipv6({ src, dst, trafficClass: 0xb9, ...(kind === 'reply' ? { hopLimit: 64 } : {}) });
  const typed =
    talk.family === 4 ? ip.icmp(kind === 'request' ? 8 : 0, 0, id) : ip.icmpv6(kind === 'request' ? 128 : 129, 0, id);
  return typed.payload(payload);
}

function exchange(talk: Talk, link: PacketBuilder, payload: number | Buffer, id?: number): Action {
  return send(message(talk, 'request', link, payload, id), turnsInto(message(talk, 'reply', link, payload, id)));
}

function echoes(talk: Talk): Case[] {
  const family = `IPv${talk.family}`;
  const eth = packet().eth();
  const request = (src: string, dst: string) => {
    const ip = eth.ip({ src, dst });
    return (talk.family === 4 ? ip.icmp(8) : ip.icmpv6(128)).payload(20);
  };
  return [
    {
      name: `${family}: a VIP answers an echo request and gives back what it was sent`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [0, 1, 20, 56, 57, 1400].map((payload) => exchange(talk, eth, payload)),
      verdicts: { echoed: 6 },
    },
    {
      name: `${family}: so does one outside of every pool, and one without backends`,
      vips: { [talk.key]: {} },
      actions: [exchange(talk, eth, 20)],
      verdicts: { echoed: 1 },
    },
    {
      name: `${family}: VLAN tags and padding stay`,
      vips: { [talk.key]: {} },
      actions: [
        exchange(talk, eth.vlan(5), 20),
        exchange(talk, eth.vlan(100, 'qinq').vlan(7), 20),
        send(message(talk, 'request', eth, 4).padded(80), turnsInto(message(talk, 'reply', eth, 4).padded(80))),
      ],
      verdicts: { echoed: 3 },
    },
    {
      name: `${family}: its checksum is right whatever it carries`,
      vips: { [talk.key]: {} },
      actions: IDS.map((id) => exchange(talk, eth, 2, id)),
      verdicts: { echoed: IDS.length },
    },
    {
      name: `${family}: what cannot have sent it gets no answer`,
      pools: [talk.pool],
      vips: { [talk.key]: {} },
      actions: SENDERS[talk.family].map((src) => send(request(src, talk.vipAddress), untouched)),
    },
    {
      name: `${family}: an address without a VIP is not there`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(request(talk.clientAddress, talk.unserved), untouched),
        send(request(talk.clientAddress, talk.family === 4 ? '198.51.100.1' : '2001:db8:1::1'), untouched),
        { kind: 'remove', vip: talk.key },
        send(request(talk.clientAddress, talk.vipAddress), untouched),
      ],
    },
    {
      name: `${family}: disengaged, it is left to others`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [{ kind: 'disengage' }, send(request(talk.clientAddress, talk.vipAddress), untouched)],
    },
    {
      name: `${family}: one with IP options or extension headers is left to the network stack`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(
          talk.family === 4
            ? eth.ipv4({ src: talk.clientAddress, dst: talk.vipAddress, options: [7, 7, 4, 0, 0, 0, 0, 0] }).icmp(8)
            : eth.ipv6({ src: talk.clientAddress, dst: talk.vipAddress }).extension('options').icmpv6(128),
          untouched,
        ),
      ],
    },
  ];
}
