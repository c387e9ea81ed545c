import { parsePrefix } from '../../../ts/model/address.js';
import type { Policy } from '../../../ts/model/policy.js';
import { answer, type Case, forwarded, refused, repliedFrom, send, set, untouched } from '../case.js';
import { type Talk, talks, tcpTalks } from './talk.js';

interface Neighbours {
  /** A prefix of the client and one within it, and clients of both beside it. */
  readonly wide: string;
  readonly narrow: string;
  readonly within: string;
  readonly outside: string;
}

const neighbours: Readonly<Record<Talk['family'], Neighbours>> = {
  4: { wide: '192.0.2.0/24', narrow: '192.0.2.10/32', within: '192.0.2.11:40000', outside: '198.51.100.1:40000' },
  6: {
    wide: '2001:db8::/32',
    narrow: '2001:db8::10/128',
    within: '[2001:db8::11]:40000',
    outside: '[2001:db9::1]:40000',
  },
};

/** Who may open a connection to a VIP: lists of sources, and how fast. */
export const admitCases: readonly Case[] = [
  ...talks.flatMap(lists),
  ...talks.flatMap(rates),
  ...tcpTalks.flatMap(later),
];

function listed(allow: readonly string[] | undefined, deny: readonly string[] = []): Policy {
  return {
    ...(allow && { allow: allow.map(parsePrefix) }),
    ...(deny.length > 0 && { deny: deny.map(parsePrefix) }),
  };
}

function lists(talk: Talk): Case[] {
  const { key, name } = talk;
  const { wide, narrow, within, outside } = neighbours[talk.family];
  const other = neighbours[talk.family === 4 ? 6 : 4].wide;
  const at = { vips: { [key]: talk.backends(2) } };
  const good = forwarded(talk.names(2));
  return [
    {
      ...at,
      name: `${name}: only sources on the list may connect`,
      policies: { [key]: listed([wide]) },
      actions: [send(talk.ask('S'), good), send(talk.ask('S', { from: outside }), refused)],
      verdicts: { forwarded: 1, denied: 1 },
    },
    {
      ...at,
      name: `${name}: a denied source may not connect, all others may`,
      policies: { [key]: listed(undefined, [narrow]) },
      actions: [
        send(talk.ask('S'), refused),
        send(talk.ask('S', { from: within }), good),
        send(talk.ask('S', { from: outside }), good),
      ],
      verdicts: { forwarded: 2, denied: 1 },
    },
    {
      ...at,
      name: `${name}: denied within allowed is denied`,
      policies: { [key]: listed([wide], [narrow]) },
      actions: [send(talk.ask('S'), refused), send(talk.ask('S', { from: within }), good)],
      verdicts: { forwarded: 1, denied: 1 },
    },
    {
      ...at,
      name: `${name}: allowed within denied is denied`,
      policies: { [key]: listed([narrow], [wide]) },
      actions: [send(talk.ask('S'), refused)],
      verdicts: { denied: 1 },
    },
    {
      ...at,
      name: `${name}: an empty list of allowed sources and one of the other family allow nobody`,
      policies: { [key]: listed([]) },
      actions: [
        send(talk.ask('S'), refused),
        set(key, talk.backends(2), listed([other])),
        send(talk.ask('S'), refused),
        set(key, talk.backends(2)),
        send(talk.ask('S'), good),
      ],
      verdicts: { forwarded: 1, denied: 2 },
    },
    {
      ...at,
      name: `${name}: lists of one VIP are not those of another`,
      vips: { [key]: talk.backends(2), [`${talk.protocol}/${talk.vip.replace(/80$/, '81')}`]: talk.backends(2) },
      policies: {
        [key]: listed([narrow]),
        [`${talk.protocol}/${talk.vip.replace(/80$/, '81')}`]: listed(undefined, [narrow]),
      },
      actions: [send(talk.ask('S'), good), send(talk.ask('S', { to: talk.vip.replace(/80$/, '81') }), refused)],
      verdicts: { forwarded: 1, denied: 1 },
    },
    {
      ...at,
      name: `${name}: an established connection is not asked again when the lists change`,
      actions: [
        send(talk.ask('S'), good),
        answer((chosen) => talk.reply(chosen), repliedFrom(talk.vip)),
        set(key, talk.backends(2), listed(undefined, [wide])),
        send(talk.ask('A'), forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
        send(talk.ask('S', { sport: 40001 }), refused),
        set(key, talk.backends(2)),
        send(talk.ask('S', { sport: 40001 }), good),
      ],
      verdicts: { forwarded: 3, replied: 2, denied: 1 },
    },
  ];
}

function rates(talk: Talk): Case[] {
  const { key, name } = talk;
  const { within } = neighbours[talk.family];
  const good = forwarded(talk.names(2));
  return [
    {
      name: `${name}: a source that opens connections too fast is refused, others and its established ones are not`,
      vips: { [key]: talk.backends(2) },
      policies: { [key]: { connectionRate: 1 } },
      actions: [
        send(talk.ask('S'), good),
        send(talk.ask('S', { sport: 40001 }), refused),
        send(talk.ask('A'), forwarded('same')),
        send(talk.ask('S', { from: within }), good),
      ],
      verdicts: { forwarded: 3, limited: 1 },
    },
  ];
}

function later(talk: Talk): Case[] {
  const { key, name } = talk;
  const { wide } = neighbours[talk.family];
  return [
    {
      name: `${name}: what a denied source sends within no connection is refused, its RST left alone`,
      vips: { [key]: talk.backends(2) },
      policies: { [key]: listed(undefined, [wide]) },
      actions: [send(talk.ask('PA', { payload: 9 }), refused), send(talk.ask('R'), untouched)],
      verdicts: { denied: 2 },
    },
  ];
}
