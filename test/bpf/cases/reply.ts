import { formatEndpoint } from '../../../ts/model/address.js';
import { answer, type Case, forwarded, repliedFrom, send, untouched } from '../case.js';
import { packet } from '../packet.js';
import { type Talk, talks } from './talk.js';

/** Backend to client: the source becomes the VIP where the connection came through it, and only there. */
export const replyCases: readonly Case[] = talks.flatMap((talk) => [
  ...answers(talk),
  ...direct(talk),
  ...sharedBackends(talk),
  ...strangers(talk),
]);

function answers(talk: Talk): Case[] {
  const { key, name, vip } = talk;
  const open = send(talk.ask('S'), forwarded(talk.names(3)));
  return [
    {
      name: `${name}: the answer comes from the VIP`,
      vips: { [key]: talk.backends(3) },
      actions: [
        open,
        answer((chosen) => talk.reply(chosen, 'SA'), repliedFrom(vip)),
        send(talk.ask('A'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'PA', { payload: 1000 }), repliedFrom(vip)),
        answer((chosen) => talk.reply(chosen, 'FA'), repliedFrom(vip)),
        send(talk.ask('FA'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(vip)),
      ],
      verdicts: { forwarded: 3, replied: 4 },
    },
    {
      name: `${name}: the answer keeps its VLAN tags`,
      vips: { [key]: talk.backends(3) },
      actions: [
        open,
        answer((chosen) => {
          const client = talk.family === 4 ? `${talk.clientAddress}:40000` : `[${talk.clientAddress}]:40000`;
          return talk.between(packet().eth().vlan(12), chosen, client, 'SA', 3);
        }, repliedFrom(vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
  ];
}

function direct(talk: Talk): Case[] {
  const { key, name } = talk;
  const backend = talk.backend(1);
  return [
    {
      name: `${name}: a backend that talks to a client by itself is left alone`,
      vips: { [key]: talk.backends(3) },
      actions: [
        answer(talk.reply(backend, 'SA'), untouched),
        answer(talk.reply(backend, 'S'), untouched),
        send(talk.ask('S', { to: backend }), untouched),
        answer(talk.reply(backend, 'SA'), untouched),
      ],
    },
    {
      name: `${name}: the same client may use the VIP and a backend directly`,
      vips: { [key]: talk.backends(1) },
      actions: [
        send(talk.ask('S', { sport: 40001 }), forwarded([backend])),
        send(talk.ask('S', { sport: 40002, to: backend }), untouched),
        answer(talk.reply(backend, 'SA', { dport: 40002 }), untouched),
        answer(talk.reply(backend, 'SA', { dport: 40001 }), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
    {
      name: `${name}: another backend, or another port of the same one, does not answer for the VIP`,
      vips: { [key]: talk.backends(2) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(2))),
        answer((chosen) => talk.reply(talk.names(2).find((other) => other !== chosen) ?? '', 'SA'), untouched),
        answer((chosen) => talk.reply(chosen.replace(/8080$/, '8081'), 'SA'), untouched),
        answer((chosen) => talk.reply(chosen, 'SA'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 1, replied: 1 },
    },
  ];
}

function sharedBackends(talk: Talk): Case[] {
  const backend = talk.backend(1);
  const others = [81, 82, 83].map((port) => ({
    vip: talk.vip.replace(/80$/, `${port}`),
    key: talk.key.replace(/80$/, `${port}`),
    sport: 42000 + port,
  }));
  return [
    {
      name: `${talk.name}: of several VIPs with one backend the answer comes from the one that was asked`,
      vips: Object.fromEntries([[talk.key, talk.backends(1)], ...others.map(({ key }) => [key, talk.backends(1)])]),
      actions: [
        ...others.map(({ vip, sport }) => send(talk.ask('S', { to: vip, sport }), forwarded([backend]))),
        ...others.map(({ vip, sport }) => answer(talk.reply(backend, 'SA', { dport: sport }), repliedFrom(vip))),
        answer(talk.reply(backend, 'SA', { dport: 50000 }), untouched),
      ],
      verdicts: { forwarded: others.length, replied: others.length },
    },
  ];
}

/** Clients whose addresses differ in little: an entry is one client's alone. */
function strangers(talk: Talk): Case[] {
  const backend = talk.backend(1);
  const others =
    talk.family === 4
      ? ['192.0.3.10', '193.0.2.10', '192.0.2.11']
      : ['2001:db8:0:4::4', '2001:db8:0:50::', '2001:db8:0:45::1'];
  const ends = others.map((address) => formatEndpoint({ address, port: 40000 }));
  return [
    {
      name: `${talk.name}: a connection of one client does not make others clients of the VIP`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [
        send(talk.ask('S'), forwarded([backend])),
        ...ends.map((to) => answer(talk.reply(backend, 'SA', { to }), untouched)),
      ],
      verdicts: { forwarded: 1 },
    },
  ];
}
