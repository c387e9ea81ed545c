import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import { type Action, answer, becomes, type Case, forwarded, hairpinned, send, turnsInto, untouched } from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';
import { type Talk, talks } from './talk.js';

/** Type, code and the word behind the checksum of errors that quote a packet. */
const ERRORS = {
  4: {
    'fragmentation needed': [3, 4, 1280],
    'host unreachable': [3, 1, 0],
    'port unreachable': [3, 3, 0],
    'time exceeded': [11, 0, 0],
    'parameter problem': [12, 0, 0x08000000],
  },
  6: {
    'packet too big': [2, 0, 1280],
    'no route': [1, 0, 0],
    'port unreachable': [1, 4, 0],
    'time exceeded': [3, 0, 0],
    'parameter problem': [4, 1, 6],
  },
} as const;

type Kind = readonly [type: number, code: number, rest: number];

const ROUTER = { 4: '172.16.0.1', 6: '2001:db8:ffff::1' } as const;

/** The router between, which no flow has for an end. */
export function routerOf(talk: Talk): string {
  return ROUTER[talk.family];
}

/** ICMP errors about translated packets: the receiver must find its own packet in them. */
export const errorCases: readonly Case[] = talks.flatMap((talk) => [
  ...Object.entries(ERRORS[talk.family]).flatMap(([what, kind]) => bothWays(talk, what, kind)),
  ...quotes(talk),
  ...hairpins(talk),
  ...strangers(talk),
]);

interface Quote {
  readonly from: string;
  readonly to: string;
  /** As many bytes of it as are quoted. */
  readonly length?: number;
  readonly flags?: string;
  readonly payload?: number;
}

/** An error of `src` to `dst` that quotes a packet. */
export function error(
  talk: Talk,
  src: string,
  dst: string,
  [type, code, rest]: Kind,
  quote: Quote,
  link = packet().eth(),
) {
  const quoted = talk.between(packet(), quote.from, quote.to, quote.flags ?? 'A', quote.payload ?? 24).build();
  const ip = link.ip({ src, dst });
  const icmp = talk.family === 4 ? ip.icmp(type, code, rest) : ip.icmpv6(type, code, rest);
  return icmp.payload(quoted.subarray(0, quote.length));
}

export function clientOf(talk: Talk): string {
  return formatEndpoint({ address: talk.clientAddress, port: 40000 });
}

export function addressOf(endpoint: string): string {
  return parseEndpoint(endpoint).address;
}

export function portUnreachable(talk: Talk): Kind {
  return ERRORS[talk.family]['port unreachable'];
}

/** About a packet of the client that was forwarded: it comes back as about one to the VIP. */
function aboutRequest(
  talk: Talk,
  kind: Kind,
  by: 'backend' | 'router',
  quote: Partial<Quote> = {},
  link?: PacketBuilder,
) {
  const client = clientOf(talk);
  const make = (src: string, to: string) =>
    error(talk, src, talk.clientAddress, kind, { ...quote, from: client, to }, link);
  const router = routerOf(talk);
  return answer(
    (chosen) => make(by === 'router' ? router : addressOf(chosen), chosen),
    becomes(() => make(by === 'router' ? router : talk.vipAddress, talk.vip)),
  );
}

/** About an answer that was sent to the client: it goes on as about one of the backend. */
function aboutAnswer(
  talk: Talk,
  kind: Kind,
  by: 'client' | 'router',
  quote: Partial<Quote> = {},
  link?: PacketBuilder,
) {
  const client = clientOf(talk);
  const src = by === 'router' ? routerOf(talk) : talk.clientAddress;
  const make = (dst: string, from: string) => error(talk, src, dst, kind, { ...quote, from, to: client }, link);
  return send(
    make(talk.vipAddress, talk.vip),
    becomes((chosen) => make(addressOf(chosen), chosen)),
  );
}

function open(talk: Talk): Action {
  return send(talk.ask('S'), forwarded(talk.names(3)));
}

function bothWays(talk: Talk, what: string, kind: Kind): Case[] {
  return [
    {
      name: `${talk.name}: ${what}, about a packet to the VIP and about an answer`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        aboutRequest(talk, kind, 'router'),
        aboutRequest(talk, kind, 'backend'),
        aboutAnswer(talk, kind, 'client'),
        aboutAnswer(talk, kind, 'router'),
      ],
      verdicts: { forwarded: 1, error_translated: 4 },
    },
  ];
}

function quotes(talk: Talk): Case[] {
  const kind = portUnreachable(talk);
  const header = talk.family === 4 ? 20 : 40;
  const lengths = [8, 12, 16, 18, 19, 20, 30].map((behind) => header + behind);
  return [
    {
      name: `${talk.name}: a quote of any length has its checksum changed where it is in it`,
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        ...lengths.flatMap((length) => [
          aboutRequest(talk, kind, 'router', { length }),
          aboutAnswer(talk, kind, 'client', { length }),
        ]),
      ],
      verdicts: { forwarded: 1, error_translated: 2 * lengths.length },
    },
    {
      name: `${talk.name}: an error behind VLAN tags`,
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        aboutRequest(talk, kind, 'backend', {}, packet().eth().vlan(5)),
        aboutAnswer(talk, kind, 'client', {}, packet().eth().vlan(100, 'qinq').vlan(7)),
      ],
      verdicts: { forwarded: 1, error_translated: 2 },
    },
    {
      name: `${talk.name}: an error says nothing about the flow, and needs no entry of one`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        answer(
          error(talk, routerOf(talk), talk.clientAddress, kind, { from: clientOf(talk), to: talk.backend(1) }),
          untouched,
        ),
        send(
          error(talk, talk.clientAddress, talk.vipAddress, kind, { from: talk.vip, to: clientOf(talk) }),
          becomes(
            error(talk, talk.clientAddress, addressOf(talk.backend(1)), kind, {
              from: talk.backend(1),
              to: clientOf(talk),
            }),
          ),
        ),
        answer(talk.reply(talk.backend(1), 'A'), untouched),
      ],
      verdicts: { error_translated: 1 },
    },
  ];
}

function hairpins(talk: Talk): Case[] {
  const kind = portUnreachable(talk);
  const backend = talk.backend(1);
  const address = addressOf(backend);
  const self = formatEndpoint({ address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  return [
    {
      name: `${talk.name}: errors of a client that is its own backend`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(talk.ask('S', { from: self }), hairpinned(mirror, backend)),
        send(
          error(talk, address, talk.vipAddress, kind, { from: mirror, to: backend }),
          turnsInto(error(talk, talk.vipAddress, address, kind, { from: self, to: talk.vip })),
        ),
        send(
          error(talk, address, talk.vipAddress, kind, { from: talk.vip, to: self }),
          turnsInto(error(talk, talk.vipAddress, address, kind, { from: backend, to: mirror })),
        ),
      ],
      verdicts: { hairpinned: 1, error_translated: 2 },
    },
  ];
}

/** What is not plainly about a flow of ours comes out as it went in. */
function strangers(talk: Talk): Case[] {
  const kind = portUnreachable(talk);
  const client = clientOf(talk);
  const about = (src: string, dst: string, from: string, to: string) => error(talk, src, dst, kind, { from, to });
  const router = routerOf(talk);
  const elsewhere = formatEndpoint({ address: routerOf(talk), port: 9 });
  return [
    {
      name: `${talk.name}: errors about direct traffic are left alone`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        answer((chosen) => about(router, talk.clientAddress, client.replace(/40000$/, '40001'), chosen), untouched),
        answer((chosen) => about(router, talk.clientAddress, client, chosen.replace(/8080$/, '8081')), untouched),
        answer(about(router, talk.clientAddress, client, elsewhere), untouched),
        send((chosen) => about(talk.clientAddress, addressOf(chosen), chosen, client), untouched),
        send(about(router, talk.vipAddress, elsewhere, client), untouched),
      ],
      verdicts: { forwarded: 1 },
    },
    {
      name: `${talk.name}: errors that are not sent to the one whose packet they quote are left alone`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        answer((chosen) => about(router, router, client, chosen), untouched),
        send(about(router, talk.unserved, talk.vip, client), untouched),
        send(about(router, talk.vipAddress, formatEndpoint({ address: talk.unserved, port: 80 }), client), untouched),
      ],
      verdicts: { forwarded: 1 },
    },
    {
      name: `${talk.name}: errors about a VIP that is not served are left alone`,
      pools: [talk.pool],
      vips: { [talk.key]: {} },
      actions: [
        send(about(router, talk.vipAddress, talk.vip, client), untouched),
        { kind: 'remove', vip: talk.key },
        send(about(router, talk.vipAddress, talk.vip, client), untouched),
      ],
    },
    {
      name: `${talk.name}: a quote without ports is left alone`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(3) },
      actions: [
        open(talk),
        ...[0, 1, 19, 20, 27, 39, 40, 47]
          .filter((length) => length < (talk.family === 4 ? 28 : 48))
          .map((length) =>
            send(error(talk, router, talk.vipAddress, kind, { from: talk.vip, to: client, length }), untouched),
          ),
      ],
      verdicts: { forwarded: 1 },
    },
  ];
}
