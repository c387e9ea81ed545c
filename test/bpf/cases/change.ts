import { formatEndpoint } from '../../../ts/model/address.js';
import {
  type Action,
  answer,
  type Backends,
  type Case,
  forwarded,
  refused,
  repliedFrom,
  send,
  set,
  untouched,
} from '../case.js';
import { type Talk, talks, tcpTalks } from './talk.js';

const NEW_PORTS = Array.from({ length: 30 }, (_, i) => 43000 + i);

/** What connections see when backends come, drain and go, and when the plane is disengaged. */
export const changeCases: readonly Case[] = [
  ...talks.flatMap((talk) => [...removal(talk), ...drain(talk), ...engagement(talk)]),
  ...tcpTalks.flatMap((talk) => [...closing(talk), ...portsAgain(talk)]),
  ...talks.filter(({ protocol }) => protocol === 'udp').flatMap(leaving),
];

/** All of them but the one the connection has. */
function without(backends: Backends): (chosen: string) => Backends {
  return (chosen) => Object.fromEntries(Object.entries(backends).filter(([name]) => name !== chosen));
}

function draining(backends: Backends): (chosen: string) => Backends {
  return (chosen) => ({ ...backends, [chosen]: 0 });
}

function removal(talk: Talk): Case[] {
  const { key, name } = talk;
  const open = send(talk.ask('S'), forwarded(talk.names(3)));
  return [
    {
      name: `${name}: when its backend is removed, a connection's next packet goes to another`,
      vips: { [key]: talk.backends(3) },
      actions: [
        open,
        send(talk.ask('A'), forwarded('same')),
        set(key, without(talk.backends(3))),
        send(talk.ask('PA'), forwarded('another')),
        send(talk.ask('PA'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 4, replied: 1 },
    },
    {
      name: `${name}: a backend that was removed and comes back does not get its old connections back`,
      vips: { [key]: talk.backends(3) },
      actions: [
        open,
        set(key, without(talk.backends(3))),
        set(key, talk.backends(3)),
        send(talk.ask('PA'), forwarded(talk.names(3))),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 2, replied: 1 },
    },
    {
      name: `${name}: a VIP that was removed and comes back serves at once, and old entries do no harm`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      actions: [
        open,
        { kind: 'remove', vip: key },
        send(talk.ask('A'), refused),
        set(key, { [talk.backend(7)]: 1 }),
        send(talk.ask('S'), forwarded([talk.backend(7)])),
        answer(talk.reply(talk.backend(1), 'A'), untouched),
        answer(talk.reply(talk.backend(7), 'SA'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 2, replied: 1, unserved: 1 },
    },
    {
      name: `${name}: more backends do not move a connection`,
      vips: { [key]: talk.backends(2) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(2))),
        set(key, talk.backends(50)),
        send(talk.ask('A'), forwarded('same')),
        set(key, talk.backends(200)),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: { forwarded: 3 },
    },
  ];
}

function drain(talk: Talk): Case[] {
  const { key, name } = talk;
  const backends = talk.backends(3);
  return [
    {
      name: `${name}: a draining backend keeps its connections and gets no new ones`,
      vips: { [key]: backends },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(3))),
        set(key, draining(backends)),
        send(talk.ask('PA'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'PA'), repliedFrom(talk.vip)),
        send(talk.ask('PA'), forwarded('same')),
      ],
      verdicts: { forwarded: 3, replied: 1 },
    },
    {
      name: `${name}: new connections avoid what has weight 0`,
      vips: { [key]: { ...backends, [talk.backend(2)]: 0 } },
      actions: NEW_PORTS.map((sport) => send(talk.ask('S', { sport }), forwarded([talk.backend(1), talk.backend(3)]))),
      verdicts: { forwarded: NEW_PORTS.length },
    },
    {
      name: `${name}: a backend that drains and comes back still has its connections`,
      vips: { [key]: backends },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(3))),
        set(key, draining(backends)),
        set(key, backends),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: { forwarded: 2 },
    },
    {
      name: `${name}: when all drain, connections go on and new ones are refused`,
      vips: { [key]: talk.backends(1) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        set(key, { [talk.backend(1)]: 0 }),
        send(talk.ask('A'), forwarded('same')),
        send(talk.ask('S', { sport: 40001 }), refused),
      ],
      verdicts: { forwarded: 2, no_backend: 1 },
    },
  ];
}

/** Whether a connection is over shows when its backend drains: a new one with the same port goes elsewhere. */
function closing(talk: Talk): Case[] {
  const { key, name } = talk;
  const backends = talk.backends(3);
  const ends: Record<string, Action> = {
    'the client says FIN': send(talk.ask('FA'), forwarded('same')),
    'the client says RST': send(talk.ask('R'), forwarded('same')),
    'the backend says FIN': answer((chosen) => talk.reply(chosen, 'FA'), repliedFrom(talk.vip)),
    'the backend says RST': answer((chosen) => talk.reply(chosen, 'RA'), repliedFrom(talk.vip)),
  };
  const open = [
    send(talk.ask('S'), forwarded(talk.names(3))),
    answer((chosen) => talk.reply(chosen, 'SA'), repliedFrom(talk.vip)),
    send(talk.ask('A'), forwarded('same')),
  ];
  return [
    ...Object.entries(ends).map(([what, end]) => ({
      name: `${name}: after ${what}, a SYN from the same port is a new connection`,
      vips: { [key]: backends },
      actions: [
        ...open,
        end,
        set(key, draining(backends)),
        send(talk.ask('PA'), forwarded('same')),
        send(talk.ask('S'), forwarded('another')),
        send(talk.ask('A'), forwarded('same')),
      ],
      verdicts: end.kind === 'packet' && end.way === 'in' ? { forwarded: 6, replied: 1 } : { forwarded: 5, replied: 2 },
    })),
    {
      name: `${name}: without an end, a SYN from the same port stays with its backend`,
      vips: { [key]: backends },
      actions: [...open, set(key, draining(backends)), send(talk.ask('S'), forwarded('same'))],
      verdicts: { forwarded: 3, replied: 1 },
    },
    {
      name: `${name}: a RST that belongs to no connection leaves no trace`,
      vips: { [key]: backends },
      actions: [send(talk.ask('R'), forwarded(talk.names(3))), answer((chosen) => talk.reply(chosen, 'A'), untouched)],
      verdicts: { forwarded: 1 },
    },
  ];
}

function engagement(talk: Talk): Case[] {
  const { key, name } = talk;
  return [
    {
      name: `${name}: disengaged, new connections are left to others and old ones go on`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(3) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(3))),
        { kind: 'disengage' },
        send(talk.ask('S', { sport: 40001 }), untouched),
        send(talk.ask('S', { to: talk.vip.replace(/80$/, '99') }), untouched),
        send(talk.ask('A'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
        { kind: 'engage' },
        send(talk.ask('S', { sport: 40001 }), forwarded(talk.names(3))),
      ],
      verdicts: { forwarded: 3, replied: 1, disengaged: 1 },
    },
  ];
}

/** Nothing in a datagram says whether it is the first. */
function leaving(talk: Talk): Case[] {
  const { key, name, clientAddress } = talk;
  const beside = { client: formatEndpoint({ address: clientAddress, port: 40000 }), vip: key };
  return [
    {
      name: `${name}: what another plane carries is left to it, until that is gone`,
      vips: { [key]: talk.backends(3) },
      actions: [
        { kind: 'disengage' },
        { kind: 'engage', beside },
        send(talk.ask(), untouched),
        send(talk.ask('', { sport: 40001 }), forwarded(talk.names(3))),
        answer((chosen) => talk.reply(chosen), untouched),
        { kind: 'engage', beside },
        send(talk.ask(), untouched),
        send(talk.ask('', { sport: 40001 }), forwarded('same')),
        { kind: 'engage' },
        send(talk.ask(), forwarded(talk.names(3))),
        answer((chosen) => talk.reply(chosen), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 3, replied: 1, disengaged: 2 },
    },
    {
      name: `${name}: what was left to another plane is not kept from a third`,
      vips: { [key]: talk.backends(3) },
      actions: [
        { kind: 'engage', beside },
        send(talk.ask(), untouched),
        { kind: 'disengage' },
        send(talk.ask(), untouched),
        { kind: 'engage', beside: { ...beside, client: formatEndpoint({ address: clientAddress, port: 40002 }) } },
        send(talk.ask(), forwarded(talk.names(3))),
      ],
      verdicts: { forwarded: 1, disengaged: 2 },
    },
  ];
}

/** Whoever takes the SYN has the connection, though there was one from the same port before. */
function portsAgain(talk: Talk): Case[] {
  const { key, name } = talk;
  return [
    {
      name: `${name}: disengaged, a port that is used again belongs to others with all its packets`,
      vips: { [key]: talk.backends(3) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(3))),
        send(talk.ask('FA'), forwarded('same')),
        { kind: 'disengage' },
        send(talk.ask('A'), forwarded('same')),
        send(talk.ask('S'), untouched),
        send(talk.ask('A'), untouched),
        send(talk.ask('PA'), untouched),
        answer((chosen) => talk.reply(chosen, 'A'), untouched),
      ],
      verdicts: { forwarded: 3, disengaged: 3 },
    },
    {
      name: `${name}: a port that is used again for the backend directly has nothing to do with the VIP any more`,
      vips: { [key]: talk.backends(1) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer((chosen) => talk.reply(chosen, 'SA'), repliedFrom(talk.vip)),
        send(talk.ask('FA'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'FA'), repliedFrom(talk.vip)),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
        // The SYN went to the backend's own address, which is none of our business.
        answer((chosen) => talk.reply(chosen, 'SA'), untouched),
        answer((chosen) => talk.reply(chosen, 'PA'), untouched),
        send(talk.ask('S'), forwarded(talk.names(1))),
        answer((chosen) => talk.reply(chosen, 'SA'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 3, replied: 4 },
    },
  ];
}
