import { parseEndpoint } from '../../../ts/model/address.js';
import type { ForwardingMode } from '../../../ts/model/policy.js';
import {
  answer,
  becomes,
  type Case,
  directed,
  type Expectation,
  forwarded,
  refused,
  repliedFrom,
  send,
  set,
  tooBig,
  tunnelled,
  untouched,
} from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';
import { type Talk, talks, tcpTalks } from './talk.js';

const OUTER = { 4: 20, 6: 40 } as const;
const TUNNEL = { forwarding: 'tunnel' } as const;
const DIRECT = { forwarding: 'direct' } as const;

/** Packets that go to their backend whole, and what becomes of them there. */
export const carryCases: readonly Case[] = [
  ...talks.flatMap(sending),
  ...talks.flatMap(tooLarge),
  ...talks.flatMap(arriving),
  ...talks.flatMap(direct),
  ...tcpTalks.flatMap(clamping),
  ...talks.flatMap(odd),
];

function policies(talk: Talk, forwarding: ForwardingMode) {
  return { [talk.key]: { forwarding } };
}

function addresses(endpoints: readonly string[]): string[] {
  return endpoints.map((endpoint) => parseEndpoint(endpoint).address);
}

/** On this node: the first `count` backends. */
function here(talk: Talk, count: number) {
  return Object.fromEntries(addresses(talk.names(count)).map((address) => [address, { local: true }]));
}

/** A packet inside an outer header, as a balancer sends it. */
function wrapped(talk: Talk, to: string, inner: PacketBuilder, link = packet().eth()): PacketBuilder {
  const bytes = inner.build().subarray(14);
  const ends = { src: talk.family === 4 ? '10.9.9.1' : 'fd09::1', dst: parseEndpoint(to).address };
  return link.ip(ends).payload(bytes, talk.family === 4 ? 4 : 41);
}

function sending(talk: Talk): Case[] {
  const to = addresses(talk.names(5));
  const [first] = addresses(talk.names(1));
  const sent = tunnelled(to);
  return [
    {
      name: `${talk.name}: a tunnel carries packets whole`,
      vips: { [talk.key]: talk.backends(5) },
      policies: policies(talk, 'tunnel'),
      actions: ['S', 'A', 'PA', 'FA'].map((flags) => send(talk.ask(flags, { payload: 33 }), sent)),
      verdicts: { tunnelled: 4 },
    },
    {
      name: `${talk.name}: a tunnelled connection stays with its backend`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      actions: [
        send(talk.ask('S'), tunnelled([first!])),
        send(talk.ask('A'), tunnelled([first!])),
        set(talk.key, { ...talk.backends(1), ...Object.fromEntries(talk.names(9).map((name) => [name, 1])) }, TUNNEL),
        send(talk.ask('PA', { payload: 7 }), tunnelled([first!])),
        set(talk.key, Object.fromEntries(talk.names(9).map((name, i) => [name, i === 0 ? 0 : 1])), TUNNEL),
        send(talk.ask('PA', { payload: 8 }), tunnelled([first!])),
      ],
      verdicts: { tunnelled: 4 },
    },
    {
      name: `${talk.name}: a backend of this node is reached by NAT`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      ways: here(talk, 1),
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer(talk.reply(talk.backend(1)), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
    {
      name: `${talk.name}: a mode that changes takes established connections along`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        set(talk.key, talk.backends(1), TUNNEL),
        send(talk.ask('A'), tunnelled([first!])),
        set(talk.key, talk.backends(1), DIRECT),
        send(talk.ask('A'), directed),
        set(talk.key, talk.backends(1)),
        send(talk.ask('A'), forwarded(talk.names(1))),
      ],
      verdicts: { forwarded: 2, tunnelled: 1, directed: 1 },
    },
    {
      name: `${talk.name}: a tunnelled VIP without backends refuses, as do its other ports`,
      pools: [talk.pool],
      vips: { [talk.key]: {} },
      policies: policies(talk, 'tunnel'),
      actions: [send(talk.ask('S'), refused), send(talk.ask('S', { to: talk.vip.replace(/80$/, '81') }), refused)],
      verdicts: { no_backend: 1, unserved: 1 },
    },
    {
      name: `${talk.name}: xdp leaves a tagged packet in its tunnel to the network stack`,
      hooks: ['xdp'],
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      actions: [packet().eth().vlan(5), packet().eth().vlan(100, 'qinq').vlan(7)].map((link) => {
        const asked = talk.between(link, endpointOf(talk), talk.vip, 'S', 5);
        return send(asked, { kind: 'tunnelled', to: [first!], left: true } satisfies Expectation);
      }),
      verdicts: { tunnelled: 2, unresolved: 2 },
    },
  ];
}

function endpointOf({ family, clientAddress }: Talk): string {
  return family === 4 ? `${clientAddress}:40000` : `[${clientAddress}]:40000`;
}

/** IP packets of exactly so many bytes. */
function sized(talk: Talk, bytes: number): PacketBuilder {
  const headers = (talk.family === 4 ? 20 : 40) + (talk.protocol === 'tcp' ? 20 : 8);
  return talk.ask('A', { payload: bytes - headers });
}

function tooLarge(talk: Talk): Case[] {
  const [first] = addresses(talk.names(1));
  const fits = 1500 - OUTER[talk.family];
  const narrow = talk.family === 4 ? 1000 : 1300;
  return [
    {
      name: `${talk.name}: what does not fit into a tunnel is told, every header counted`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      actions: [
        send(sized(talk, fits), tunnelled([first!])),
        send(sized(talk, fits + 1), tooBig(fits)),
        send(sized(talk, 1500), tooBig(fits)),
      ],
      verdicts: { tunnelled: 1, too_big: 2 },
    },
    {
      name: `${talk.name}: the MTU on the way to the backend counts`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      ways: { [first!]: { mtu: narrow } },
      actions: [
        // No IPv6 sender may be told less than 1280 bytes (RFC 8200 §5).
        send(sized(talk, 1300), tooBig(talk.family === 4 ? narrow - 20 : 1280)),
      ],
      verdicts: { too_big: 1 },
    },
    {
      name: `${talk.name}: jumbo frames fit into a jumbo link`,
      hooks: ['xdp'], // a test run of tc takes no frame larger than a page
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      ways: { [first!]: { mtu: 9000 } },
      actions: [
        send(sized(talk, 3000), tunnelled([first!])),
        send(sized(talk, 8960), tunnelled([first!])),
        send(sized(talk, 8990), tooBig(9000 - OUTER[talk.family])),
      ],
      verdicts: { tunnelled: 2, too_big: 1 },
    },
  ];
}

function arriving(talk: Talk): Case[] {
  const [one, two] = [talk.backend(1), talk.backend(2)] as const;
  const tunnelTo = (to: string, inner: PacketBuilder) => wrapped(talk, to, inner);
  const delivered = (flags: string, payload: number) =>
    becomes(talk.between(packet().eth(), endpointOf(talk), one, flags, payload));
  const carried = { vips: { [talk.key]: talk.backends(2) }, policies: policies(talk, 'tunnel'), ways: here(talk, 1) };
  return [
    {
      name: `${talk.name}: what arrives in a tunnel goes to the backend it came for, and is answered by the VIP`,
      ...carried,
      actions: [
        send(tunnelTo(one, talk.ask('S', { payload: 5 })), delivered('S', 5)),
        answer(talk.reply(one), repliedFrom(talk.vip)),
        send(tunnelTo(one, talk.ask('PA', { payload: 1300 })), delivered('PA', 1300)),
        answer(talk.reply(one, 'PA', { payload: 900 }), repliedFrom(talk.vip)),
      ],
      verdicts: { arrived: 2, forwarded: 2, replied: 2 },
    },
    {
      name: `${talk.name}: a tunnel to a backend of another node passes by`,
      ...carried,
      actions: [
        send(tunnelTo(two, talk.ask('S')), untouched),
        send(tunnelTo(talk.backend(7), talk.ask('S')), untouched),
      ],
    },
    {
      name: `${talk.name}: another balancer's choice wins over this node's own`,
      vips: { [talk.key]: talk.backends(2) },
      policies: policies(talk, 'tunnel'),
      ways: here(talk, 2),
      actions: [one, two, one].map((to) => {
        const inner = talk.between(packet().eth(), endpointOf(talk), to, 'A', 3);
        return send(tunnelTo(to, talk.ask('A', { payload: 3 })), becomes(inner));
      }),
      verdicts: { arrived: 3, forwarded: 3 },
    },
    {
      name: `${talk.name}: a tunnel with something else in it passes by`,
      ...carried,
      actions: [
        send(tunnelTo(one, talk.ask('S', { to: one })), untouched),
        send(tunnelTo(one, talk.ask('S', { from: talk.vip.replace(/80$/, '9') })), untouched),
        send(tunnelTo(one, talk.ask('S', { from: talk.family === 4 ? '127.0.0.1:9' : '[::1]:9' })), untouched),
      ],
      pools: [talk.pool],
    },
    {
      name: `${talk.name}: a VIP that is not tunnelled takes nothing out of tunnels`,
      vips: { [talk.key]: talk.backends(2) },
      ways: here(talk, 1),
      actions: [send(tunnelTo(one, talk.ask('S')), untouched)],
    },
  ];
}

function direct(talk: Talk): Case[] {
  const [first, second] = addresses(talk.names(2));
  const setting = { vips: { [talk.key]: talk.backends(1) }, policies: policies(talk, 'direct') };
  return [
    {
      name: `${talk.name}: direct changes where the frame goes, and takes a hop off its life`,
      ...setting,
      actions: ['S', 'A', 'PA'].map((flags) => send(talk.ask(flags, { payload: 11 }), directed)),
      verdicts: { directed: 3 },
    },
    {
      name: `${talk.name}: behind a router direct becomes a tunnel`,
      ...setting,
      ways: { [first!]: { onLink: false } },
      actions: [send(talk.ask('S'), tunnelled([first!]))],
      verdicts: { tunnelled: 1 },
    },
    {
      name: `${talk.name}: a node with backends of a direct service keeps its packets`,
      vips: { [talk.key]: talk.backends(2) },
      policies: policies(talk, 'direct'),
      ways: { [second!]: { local: true } },
      actions: Array.from({ length: 8 }, (_, i) =>
        send(talk.ask('S', { sport: 42000 + i }), forwarded([talk.backend(2)])),
      ),
      verdicts: { forwarded: 8 },
    },
  ];
}

function clamping(talk: Talk): Case[] {
  const clamped = (mss: number) => ({ [talk.key]: { clampMss: mss } });
  const syn = (options: readonly number[], flags = 'S') =>
    packet()
      .eth()
      .ip({ src: talk.clientAddress, dst: talk.vipAddress })
      .tcp({ sport: 40000, dport: 80, flags, options });
  const got = (options: readonly number[], flags = 'S') =>
    becomes(
      packet()
        .eth()
        .ip({ src: talk.clientAddress, dst: parseEndpoint(talk.backend(1)).address })
        .tcp({ sport: 40000, dport: 8080, flags, options }),
    );
  const mss = (value: number) => [2, 4, value >> 8, value & 255];
  return [
    {
      name: `${talk.name}: the MSS of a SYN is lowered, never raised`,
      vips: { [talk.key]: talk.backends(1) },
      policies: clamped(1400),
      actions: [
        send(syn([...mss(1460), 4, 2, 1, 1]), got([...mss(1400), 4, 2, 1, 1])),
        send(syn([1, ...mss(1460), 4, 2, 1]), got([1, ...mss(1400), 4, 2, 1])),
        send(syn([4, 2, 1, 1, ...mss(65535)]), got([4, 2, 1, 1, ...mss(1400)])),
        send(syn(mss(1200)), got(mss(1200))),
        send(syn(mss(1400)), got(mss(1400))),
        send(syn([]), got([])),
        send(syn([2, 3, 5, 180]), got([2, 3, 5, 180])),
        send(syn([8, 0, 2, 4]), got([8, 0, 2, 4])),
        send(syn(mss(1460), 'A'), got(mss(1460), 'A')),
      ],
      verdicts: { forwarded: 9 },
    },
    {
      name: `${talk.name}: the MSS of the answer is lowered`,
      vips: { [talk.key]: talk.backends(1) },
      policies: clamped(1000),
      actions: [
        send(syn(mss(900)), got(mss(900))),
        answer(
          packet()
            .eth()
            .ip({ src: parseEndpoint(talk.backend(1)).address, dst: talk.clientAddress })
            .tcp({ sport: 8080, dport: 40000, flags: 'SA', options: mss(1460) }),
          becomes(
            packet()
              .eth()
              .ip({ src: talk.vipAddress, dst: talk.clientAddress })
              .tcp({ sport: 80, dport: 40000, flags: 'SA', options: mss(1000) }),
          ),
        ),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
  ];
}

/** Fragments and ICMP errors of tunnelled connections. */
function odd(talk: Talk): Case[] {
  const one = talk.backend(1);
  const error = (quoted: PacketBuilder, src: string, dst: string) => {
    const ip = packet().eth().ip({ src, dst });
    const quote = quoted.build().subarray(14);
    return talk.family === 4 ? ip.icmp(3, 4, 1300).payload(quote) : ip.icmpv6(2, 0, 1300).payload(quote);
  };
  const router = talk.family === 4 ? '192.0.2.1' : '2001:db8::1';
  const vipSaid = talk.between(packet().eth(), talk.vip, endpointOf(talk), 'A', 40);
  const backendSaid = talk.between(packet().eth(), one, endpointOf(talk), 'A', 40);
  const [first] = addresses([one]);
  return [
    {
      name: `${talk.name}: an ICMP error about an answer is tunnelled to the backend that sent it`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      actions: [
        send(talk.ask('S'), tunnelled([first!])),
        send(error(vipSaid, router, talk.vipAddress), tunnelled([first!])),
      ],
      verdicts: { tunnelled: 2 },
    },
    {
      name: `${talk.name}: an ICMP error that arrives in a tunnel is translated`,
      vips: { [talk.key]: talk.backends(1) },
      policies: policies(talk, 'tunnel'),
      ways: here(talk, 1),
      actions: [
        send(wrapped(talk, one, talk.ask('S')), forwardedInner(talk, one)),
        send(wrapped(talk, one, error(vipSaid, router, talk.vipAddress)), becomes(error(backendSaid, router, first!))),
      ],
      verdicts: { arrived: 2, forwarded: 1, error_translated: 1 },
    },
  ];
}

function forwardedInner(talk: Talk, to: string): Expectation {
  return becomes(talk.between(packet().eth(), endpointOf(talk), to, 'S'));
}
