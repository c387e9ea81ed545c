import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import {
  type Action,
  answer,
  becomes,
  type Case,
  type Expectation,
  forwarded,
  natPorts,
  type PacketSource,
  refused,
  repliedFrom,
  send,
  sent,
  sentBack,
  set,
  tooBig,
  untouched,
  type Way,
} from '../case.js';
import { nodeSources } from '../test-surroundings.js';
import { addressOf, clientOf, error, portUnreachable, routerOf } from './errors.js';
import { type Talk, talks, tcpTalks } from './talk.js';

export const FULL = { forwarding: 'full-nat' } as const;
/** Bytes of a fragment, and of what is sent in fragments. */
export const FRAGMENT = 64;
export const LENGTH = 300;

let id = 10_000;

/** Full NAT: the backend sees the node, and the client the VIP. */
export const fullNatCases: readonly Case[] = [
  ...talks.flatMap(fullNat),
  ...talks.flatMap(changes),
  ...talks.flatMap(errors),
  ...talks.flatMap(fragments),
  ...tcpTalks.flatMap(tcpOnly),
];

/** From a backend to what it takes for its client. */
export function back(talk: Talk, flags = 'SA', payload = 0): PacketSource {
  return (chosen, source) => talk.reply(chosen, flags, { to: source, payload });
}

export function home(talk: Talk): Expectation {
  return sentBack(talk.vip, clientOf(talk));
}

function fullNat(talk: Talk): Case[] {
  const { key, name } = talk;
  const policies = { [key]: FULL };
  return [
    {
      name: `${name}: full NAT, the backend sees the node and the client the VIP`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(3) },
      policies,
      actions: [
        send(talk.ask('S'), sent(talk.names(3))),
        send(back(talk), home(talk)),
        send(talk.ask('A', { payload: 7 }), sent('same', 'same')),
        send(talk.ask('PA', { payload: 1000 }), sent('same', 'same')),
        send(back(talk, 'PA', 999), home(talk)),
        send(talk.ask('FA'), sent('same', 'same')),
        send(back(talk, 'FA'), home(talk)),
        send(talk.ask('A'), sent('same', 'same')),
      ],
      verdicts: { forwarded: 5, replied: 3 },
    },
    {
      name: `${name}: full NAT, each connection has a port of its own`,
      vips: { [key]: talk.backends(1) },
      policies,
      actions: [
        send(talk.ask('S', { sport: 40001 }), sent(talk.names(1))),
        send(talk.ask('S', { sport: 40002 }), sent('same')),
        send(talk.ask('S', { sport: 40001 }), sent('same')),
      ],
      verdicts: { forwarded: 3 },
    },
    {
      name: `${name}: full NAT to a backend of this node is NAT`,
      vips: { [key]: talk.backends(1) },
      policies,
      ways: { [parseEndpoint(talk.backend(1)).address]: { local: true } },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer(talk.reply(talk.backend(1)), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
    {
      name: `${name}: full NAT leaves alone what is of none of its flows`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(2) },
      policies,
      actions: [
        send(talk.ask('S'), sent(talk.names(2))),
        send((chosen, source) => talk.reply(chosen.replace(/8080$/, '8081'), 'SA', { to: source }), untouched),
        send((chosen, source) => talk.reply(chosen, 'SA', { to: neighbour(source) }), untouched),
        send((chosen) => talk.reply(chosen, 'SA', { to: nodeEnd(talk, 22) }), untouched),
        answer((chosen) => talk.reply(chosen, 'SA'), untouched),
        send((chosen) => talk.ask('S', { to: chosen }), untouched),
        send(back(talk), home(talk)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
    {
      name: `${name}: full NAT, what does not fit is told to its sender`,
      vips: { [key]: talk.backends(1) },
      policies,
      ways: { [parseEndpoint(talk.backend(1)).address]: { mtu: 1400 } },
      actions: [
        send(talk.ask('S'), sent(talk.names(1))),
        send(talk.ask('PA', { payload: 1400 }), tooBig(1400)),
        send(talk.ask('PA', { payload: 1300 }), sent('same', 'same')),
      ],
      verdicts: { forwarded: 3, too_big: 1 },
    },
    {
      name: `${name}: full NAT without a route to the backend`,
      vips: { [key]: talk.backends(1) },
      policies,
      ways: { [parseEndpoint(talk.backend(1)).address]: { source: undefined } },
      actions: [send(talk.ask('S'), { kind: 'dropped' })],
      verdicts: { unresolved: 1 },
    },
    {
      name: `${name}: full NAT for a VIP without backends is refused`,
      pools: [talk.pool],
      vips: { [key]: {} },
      policies,
      actions: [send(talk.ask('S'), refused)],
      verdicts: { no_backend: 1 },
    },
  ];
}

/** The next port of full NAT. */
function neighbour(source: string): string {
  const { address, port } = parseEndpoint(source);
  return formatEndpoint({ address, port: port === natPorts.last ? natPorts.first : port + 1 });
}

function nodeEnd(talk: Talk, port: number): string {
  return formatEndpoint({ address: nodeSources[talk.family], port });
}

function changes(talk: Talk): Case[] {
  const { key, name } = talk;
  const backends = talk.backends(3);
  const without = (chosen: string) => Object.fromEntries(Object.entries(backends).filter(([one]) => one !== chosen));
  const opening = [send(talk.ask('S'), sent(talk.names(3))), send(back(talk), home(talk))];
  const tcp = talk.protocol === 'tcp';
  return [
    {
      name: `${name}: full NAT, a removed backend is noticed at the next packet`,
      vips: { [key]: backends },
      policies: { [key]: FULL },
      actions: [
        ...opening,
        set(key, without, FULL),
        send(back(talk, 'A'), untouched),
        send(talk.ask('A'), tcp ? refused : sent('another', 'any')),
        ...(tcp ? [send(talk.ask('S'), sent('another', 'any'))] : []),
        send(talk.ask('A'), sent('same', 'same')),
        send(back(talk), home(talk)),
      ],
      verdicts: { forwarded: 3, replied: 2, ...(tcp && { untracked: 1 }) },
    },
    {
      name: `${name}: full NAT, what is established stays while its backend drains`,
      vips: { [key]: backends },
      policies: { [key]: FULL },
      actions: [
        ...opening,
        send(talk.ask('A'), sent('same', 'same')),
        set(key, (chosen) => ({ ...backends, [chosen]: 0 }), FULL),
        send(talk.ask('PA'), sent('same', 'same')),
        send(back(talk, 'PA'), home(talk)),
        send(talk.ask('S', { sport: 40001 }), sent('another', 'any')),
      ],
      verdicts: { forwarded: 4, replied: 2 },
    },
    {
      name: `${name}: full NAT, nothing begins while another data plane serves, what is known goes on`,
      vips: { [key]: backends },
      policies: { [key]: FULL },
      actions: [
        ...opening,
        { kind: 'disengage' },
        send(talk.ask('A'), sent('same', 'same')),
        send(talk.ask('S', { sport: 40001 }), untouched),
        { kind: 'engage' },
        send(talk.ask('S', { sport: 40001 }), sent(talk.names(3), 'any')),
      ],
      verdicts: { forwarded: 3, replied: 1, disengaged: 1 },
    },
  ];
}

/** About packets in either direction: whoever sent one finds it in the quote as it was. */
function errors(talk: Talk): Case[] {
  const { key, name } = talk;
  const kind = portUnreachable(talk);
  const client = clientOf(talk);
  const node = nodeSources[talk.family];
  const router = routerOf(talk);
  const aboutRequest = (src: (chosen: string) => string, seen: string) =>
    send(
      (chosen, source) => error(talk, src(chosen), node, kind, { from: source, to: chosen }),
      becomes(error(talk, seen, talk.clientAddress, kind, { from: client, to: talk.vip })),
    );
  const opening = [send(talk.ask('S'), sent(talk.names(1))), send(back(talk), home(talk))];
  return [
    {
      name: `${name}: full NAT, errors about requests come from the VIP or from a router`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      policies: { [key]: FULL },
      actions: [...opening, aboutRequest(addressOf, talk.vipAddress), aboutRequest(() => router, router)],
      verdicts: { forwarded: 1, replied: 1, error_translated: 2 },
    },
    {
      name: `${name}: full NAT, errors about answers go to the backend`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      policies: { [key]: FULL },
      actions: [
        ...opening,
        ...[talk.clientAddress, router].map((src) =>
          send(error(talk, src, talk.vipAddress, kind, { from: talk.vip, to: client }), {
            kind: 'sentError',
            packet: (chosen, source) =>
              error(talk, src === router ? router : node, addressOf(chosen), kind, { from: chosen, to: source }),
          }),
        ),
      ],
      verdicts: { forwarded: 1, replied: 1, error_translated: 2 },
    },
    {
      name: `${name}: full NAT, errors about nothing of ours are left alone`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      policies: { [key]: FULL },
      actions: [
        ...opening,
        send((chosen, source) => error(talk, router, node, kind, { from: neighbour(source), to: chosen }), untouched),
        send(
          error(talk, router, talk.vipAddress, kind, { from: talk.vip, to: client.replace(/40000$/, '40001') }),
          untouched,
        ),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
  ];
}

export function parts(way: Way, whole: PacketSource, expect: Expectation): Action {
  return { kind: 'fragments', way, packet: whole, size: FRAGMENT, id: id++, expect };
}

function fragments(talk: Talk): Case[] {
  const { key, name } = talk;
  const count = Math.ceil((LENGTH + (talk.protocol === 'tcp' ? 20 : 8)) / FRAGMENT);
  const ask = talk.ask('PA', { payload: LENGTH });
  return [
    {
      name: `${name}: full NAT of fragments, both ways`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(3) },
      policies: { [key]: FULL },
      actions: [
        send(talk.ask('S'), sent(talk.names(3))),
        parts('in', ask, sent('same', 'same')),
        parts('in', back(talk, 'PA', LENGTH), home(talk)),
      ],
      verdicts: { forwarded: 1 + count, replied: count },
    },
  ];
}

function tcpOnly(talk: Talk): Case[] {
  const { key, name } = talk;
  return [
    {
      name: `${name}: full NAT, a connection that is not known is reset`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(3) },
      policies: { [key]: FULL },
      actions: [send(talk.ask('A'), refused), send(talk.ask('FA'), refused), send(talk.ask('R'), untouched)],
      verdicts: { untracked: 3 },
    },
    {
      name: `${name}: full NAT, a port that is used again begins anew`,
      vips: { [key]: talk.backends(3) },
      policies: { [key]: FULL },
      actions: [
        send(talk.ask('S'), sent(talk.names(3))),
        send(back(talk), home(talk)),
        send(talk.ask('A'), sent('same', 'same')),
        send(talk.ask('R'), sent('same', 'same')),
        send(talk.ask('S'), sent(talk.names(3), 'any')),
        send(back(talk), home(talk)),
      ],
      verdicts: { forwarded: 4, replied: 2 },
    },
  ];
}
