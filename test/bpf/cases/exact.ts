import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import {
  answer,
  becomes,
  type Case,
  type Expectation,
  forwarded,
  hairpinned,
  type PacketSource,
  refused,
  repliedFrom,
  send,
  sent,
  sentBack,
  set,
  untouched,
} from '../case.js';
import { packet } from '../packet.js';
import { addressOf, clientOf, error, portUnreachable, routerOf } from './errors.js';
import { back, FRAGMENT, FULL, home, LENGTH, parts } from './full-nat.js';
import { type Talk, talks, tcpTalks } from './talk.js';

const EXACT = { exact: true } as const;

/** Flows that are tracked by all of their ends. */
export const exactCases: readonly Case[] = [
  ...talks.flatMap(collisions),
  ...talks.flatMap(mixed),
  ...talks.flatMap(exactNat),
  ...talks.flatMap(errors),
  ...talks.flatMap(odd),
  ...tcpTalks.flatMap(tcpOnly),
];

/** Another VIP of the same address. */
function other(talk: Talk, port = 81) {
  return { key: talk.key.replace(/80$/, `${port}`), vip: talk.vip.replace(/80$/, `${port}`) };
}

/** One client port towards two VIPs that share a backend: each connection has answers of its own. */
function collisions(talk: Talk): Case[] {
  const { key, name } = talk;
  const second = other(talk);
  const client = clientOf(talk);
  const shared = { [key]: talk.backends(1), [second.key]: talk.backends(1) };
  const backend = talk.backend(1);
  let first = '';
  const note: PacketSource = (_, source) => {
    first = source;
    return talk.reply(backend, 'SA', { to: source });
  };
  return [
    {
      name: `${name}: full NAT, one client port towards two VIPs with one backend`,
      vips: shared,
      policies: { [key]: FULL, [second.key]: FULL },
      actions: [
        send(talk.ask('S'), sent([backend])),
        send(note, home(talk)),
        send(talk.ask('S', { to: second.vip }), sent([backend])),
        send(back(talk), sentBack(second.vip, client)),
        send(() => talk.reply(backend, 'PA', { to: first }), home(talk)),
        send(talk.ask('A', { to: second.vip }), sent('same', 'same')),
      ],
      verdicts: { forwarded: 3, replied: 3 },
    },
    {
      name: `${name}: exact tracking, one client port towards two VIPs with one backend`,
      vips: shared,
      policies: { [key]: EXACT, [second.key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded([backend])),
        send(talk.ask('S', { to: second.vip }), {
          kind: 'rewritten',
          src: 'another port',
          dst: [backend],
          turned: false,
        }),
        answer(talk.reply(backend), repliedFrom(talk.vip)),
        answer((_, source) => talk.reply(backend, 'SA', { to: source }), {
          kind: 'rewritten',
          src: second.vip,
          dst: [client],
          turned: false,
        }),
      ],
      verdicts: { forwarded: 2, replied: 2 },
    },
  ];
}

/** The same where one of them is not tracked exactly: whoever comes second gets another port. */
function mixed(talk: Talk): Case[] {
  const { key, name } = talk;
  const second = other(talk);
  const client = clientOf(talk);
  const backend = talk.backend(1);
  const vips = { [key]: talk.backends(1), [second.key]: talk.backends(1) };
  const moved = { kind: 'rewritten', src: 'another port', dst: [backend], turned: false } as const;
  const returned: Expectation = { kind: 'rewritten', src: second.vip, dst: [client], turned: false };
  const self = formatEndpoint({ address: parseEndpoint(backend).address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  const both = [
    send(talk.ask('S'), forwarded([backend])),
    send(talk.ask('S', { to: second.vip }), moved),
    answer(talk.reply(backend), repliedFrom(talk.vip)),
    answer((_, source) => talk.reply(backend, 'SA', { to: source }), returned),
    send(talk.ask('A', { to: second.vip }), moved),
    send(talk.ask('A'), forwarded([backend])),
  ];
  return [
    {
      name: `${name}: one client port towards an exact VIP, then towards an ordinary one with the same backend`,
      pools: [talk.pool],
      vips,
      policies: { [key]: EXACT },
      actions: both,
      verdicts: { forwarded: 4, replied: 2 },
    },
    {
      name: `${name}: one client port towards an ordinary VIP, then towards an exact one with the same backend`,
      pools: [talk.pool],
      vips,
      policies: { [second.key]: EXACT },
      actions: both,
      verdicts: { forwarded: 4, replied: 2 },
    },
    {
      name: `${name}: a connection that got another port beside an exact VIP goes on without that VIP`,
      pools: [talk.pool],
      vips,
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded([backend])),
        send(talk.ask('S', { to: second.vip }), moved),
        { kind: 'remove', vip: key },
        answer((_, source) => talk.reply(backend, 'SA', { to: source }), returned),
        send(talk.ask('A', { to: second.vip }), moved),
      ],
      verdicts: { forwarded: 3, replied: 1 },
    },
    {
      name: `${name}: a client that is its own backend, by an exact VIP and by an ordinary one of the same address`,
      pools: [talk.pool],
      vips,
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S', { from: self }), hairpinned(mirror, backend)),
        send(talk.ask('S', { from: self, to: second.vip }), { ...moved, turned: true }),
        send((_, source) => talk.reply(backend, 'SA', { to: source }), hairpinned(second.vip, self)),
        send(talk.reply(backend, 'SA', { to: mirror }), hairpinned(talk.vip, self)),
      ],
      verdicts: { hairpinned: 2, replied: 2 },
    },
  ];
}

function exactNat(talk: Talk): Case[] {
  const { key, name } = talk;
  const backend = talk.backend(1);
  const self = formatEndpoint({ address: parseEndpoint(backend).address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  return [
    {
      name: `${name}: exact tracking, both ways`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(5) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        answer((chosen) => talk.reply(chosen), repliedFrom(talk.vip)),
        send(talk.ask('PA', { payload: 9 }), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'PA', { payload: 77 }), repliedFrom(talk.vip)),
        answer((chosen) => talk.reply(chosen, 'PA', { dport: 40001 }), untouched),
      ],
      verdicts: { forwarded: 2, replied: 2 },
    },
    {
      name: `${name}: exact tracking of a client that is its own backend`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S', { from: self, payload: 7 }), hairpinned(mirror, backend)),
        send(talk.reply(backend, 'SA', { to: mirror, payload: 9 }), hairpinned(talk.vip, self)),
        send(talk.ask('A', { from: self }), hairpinned(mirror, backend)),
        send(talk.reply(backend, 'S', { to: mirror.replace(/40000$/, '40001') }), refused),
      ],
      verdicts: { hairpinned: 2, replied: 1, unserved: 1 },
    },
    {
      name: `${name}: exact tracking beside NAT of the same backend`,
      vips: { [key]: talk.backends(1), [other(talk).key]: talk.backends(1) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S', { sport: 40001 }), forwarded([backend])),
        send(talk.ask('S', { sport: 40002, to: other(talk).vip }), forwarded([backend])),
        answer(talk.reply(backend, 'SA', { dport: 40001 }), repliedFrom(talk.vip)),
        answer(talk.reply(backend, 'SA', { dport: 40002 }), repliedFrom(other(talk).vip)),
        answer(talk.reply(backend, 'SA', { dport: 40003 }), untouched),
      ],
      verdicts: { forwarded: 2, replied: 2 },
    },
    {
      name: `${name}: a connection goes on when its VIP is tracked exactly no longer`,
      vips: { [key]: talk.backends(5) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        set(key, talk.backends(5)),
        answer((chosen) => talk.reply(chosen), repliedFrom(talk.vip)),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: { forwarded: 2, replied: 1 },
    },
    {
      name: `${name}: a connection goes on when its VIP is to be tracked exactly from now on`,
      vips: { [key]: talk.backends(5) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        set(key, talk.backends(5), EXACT),
        send(talk.ask('A'), forwarded('same')),
        answer((chosen) => talk.reply(chosen), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 2, replied: 1 },
    },
  ];
}

/** About packets in either direction: whoever sent one finds it in the quote as it was. */
function errors(talk: Talk): Case[] {
  const { key, name } = talk;
  const kind = portUnreachable(talk);
  const client = clientOf(talk);
  const router = routerOf(talk);
  return [
    {
      name: `${name}: exact tracking, errors both ways`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer(
          error(talk, router, talk.clientAddress, kind, { from: client, to: talk.backend(1) }),
          becomes(error(talk, router, talk.clientAddress, kind, { from: client, to: talk.vip })),
        ),
        send(
          error(talk, talk.clientAddress, talk.vipAddress, kind, { from: talk.vip, to: client }),
          becomes(
            error(talk, talk.clientAddress, addressOf(talk.backend(1)), kind, { from: talk.backend(1), to: client }),
          ),
        ),
      ],
      verdicts: { forwarded: 1, error_translated: 2 },
    },
  ];
}

function odd(talk: Talk): Case[] {
  const { key, name } = talk;
  const count = Math.ceil((LENGTH + (talk.protocol === 'tcp' ? 20 : 8)) / FRAGMENT);
  const ask = talk.ask('PA', { payload: LENGTH });
  const tagged = (from: string, to: string, flags: string) => talk.between(packet().eth().vlan(12), from, to, flags, 3);
  return [
    {
      name: `${name}: exact tracking of fragments, both ways`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(3) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(3))),
        parts('in', ask, forwarded('same')),
        parts('out', (chosen) => talk.reply(chosen, 'PA', { payload: LENGTH }), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1 + count, replied: count },
    },
    {
      name: `${name}: exact tracking behind a VLAN tag`,
      vips: { [key]: talk.backends(3) },
      policies: { [key]: EXACT },
      actions: [
        send(tagged(clientOf(talk), talk.vip, 'S'), forwarded(talk.names(3))),
        answer((chosen) => tagged(chosen, clientOf(talk), 'SA'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
  ];
}

function tcpOnly(talk: Talk): Case[] {
  const { key, name } = talk;
  const syn = (mss: number) =>
    packet()
      .eth()
      .ip({ src: talk.clientAddress, dst: talk.vipAddress })
      .tcp({ sport: 40000, dport: 80, flags: 'S', options: [2, 4, mss >> 8, mss & 255] });
  const synTo = (chosen: string, mss: number) =>
    packet()
      .eth()
      .ip({ src: talk.clientAddress, dst: parseEndpoint(chosen).address })
      .tcp({ sport: 40000, dport: 8080, flags: 'S', options: [2, 4, mss >> 8, mss & 255] });
  return [
    {
      name: `${name}: exact tracking, a SYN has its MSS lowered`,
      vips: { [key]: talk.backends(1) },
      policies: { [key]: { ...EXACT, clampMss: 1200 } },
      actions: [send(syn(1460), becomes(synTo(talk.backend(1), 1200)))],
      verdicts: { forwarded: 1 },
    },
    {
      name: `${name}: exact tracking, a port that was used for the VIP may be used for the backend itself`,
      vips: { [key]: talk.backends(1) },
      policies: { [key]: EXACT },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer(talk.reply(talk.backend(1), 'SA'), repliedFrom(talk.vip)),
        send(talk.ask('FA'), forwarded('same')),
        answer(talk.reply(talk.backend(1), 'FA'), repliedFrom(talk.vip)),
        send(talk.ask('S', { to: talk.backend(1) }), untouched),
        answer(talk.reply(talk.backend(1), 'SA'), untouched),
        answer(talk.reply(talk.backend(1), 'PA', { payload: 9 }), untouched),
      ],
      verdicts: { forwarded: 2, replied: 2 },
    },
    {
      name: `${name}: exact tracking, a connection older than the table goes to a backend that drains`,
      vips: { [key]: talk.backends(1) },
      policies: { [key]: EXACT },
      actions: [
        set(key, { [talk.backend(1)]: 0, [talk.backend(2)]: 1 }, EXACT),
        send(talk.ask('SA'), forwarded([talk.backend(1)])),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: { forwarded: 2 },
    },
    {
      name: `${name}: exact tracking, a connection older than the table goes where the selection says`,
      vips: { [key]: talk.backends(5) },
      policies: { [key]: EXACT },
      actions: [send(talk.ask('PA'), forwarded(talk.names(5))), send(talk.ask('A'), forwarded('same'))],
      verdicts: { forwarded: 2 },
    },
  ];
}
