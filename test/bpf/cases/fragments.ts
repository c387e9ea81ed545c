import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import {
  type Action,
  answer,
  type Case,
  type Expectation,
  forwarded,
  hairpinned,
  type PacketSource,
  repliedFrom,
  send,
  set,
  untouched,
  type Way,
} from '../case.js';
import { type Talk, talks } from './talk.js';

const SIZE = 64;
const LENGTH = 300;

let id = 1;

/** A datagram in fragments gets one decision, by the ports of the first; nothing is read from where others have data. */
export const fragmentCases: readonly Case[] = talks.flatMap((talk) => [...whole(talk), ...lost(talk), ...apart(talk)]);

function parts(way: Way, packet: PacketSource, expect: Expectation, order?: readonly number[]): Action {
  const common = { kind: 'fragments', way, packet, size: SIZE, id: id++, expect } as const;
  return order === undefined ? common : { ...common, order };
}

/** How many fragments of SIZE a packet of this talk with LENGTH bytes makes. */
function countOf(talk: Talk): number {
  return Math.ceil((LENGTH + (talk.protocol === 'tcp' ? 20 : 8)) / SIZE);
}

function whole(talk: Talk): Case[] {
  const { key, name } = talk;
  const ask = talk.ask('PA', { payload: LENGTH });
  const last = countOf(talk) - 1;
  const backend = talk.backend(1);
  const self = formatEndpoint({ address: parseEndpoint(backend).address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  return [
    {
      name: `${name}: fragments go where their first goes, both ways`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(5) },
      actions: [
        parts('in', ask, forwarded(talk.names(5))),
        parts('out', (chosen) => talk.reply(chosen, 'PA', { payload: LENGTH }), repliedFrom(talk.vip)),
        send(talk.ask('A'), forwarded('same')),
        parts('in', ask, forwarded('same')),
        answer((chosen) => talk.reply(chosen, 'A'), repliedFrom(talk.vip)),
      ],
      verdicts: { forwarded: 2 * (last + 1) + 1, replied: last + 2 },
    },
    {
      name: `${name}: fragments behind the first may come in any order, and twice`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(5) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(5))),
        parts('in', ask, forwarded('same'), [0, ...Array.from({ length: last }, (_, i) => last - i)]),
      ],
      verdicts: { forwarded: last + 2 },
    },
    {
      name: `${name}: fragments of a client that is its own backend`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      actions: [
        parts('in', talk.ask('PA', { from: self, payload: LENGTH }), hairpinned(mirror, backend)),
        parts('in', talk.reply(backend, 'PA', { to: mirror, payload: LENGTH }), hairpinned(talk.vip, self)),
      ],
      verdicts: { hairpinned: last + 1, replied: last + 1 },
    },
  ];
}

function lost(talk: Talk): Case[] {
  const { key, name } = talk;
  const ask = talk.ask('PA', { payload: LENGTH });
  const last = countOf(talk) - 1;
  const later = Array.from({ length: last }, (_, i) => i + 1);
  const withFirst = (after: Action): Action[] => {
    const datagram = { id: id++ };
    const first: Action = { kind: 'packet', way: 'in', packet: ask, expect: forwarded(talk.names(2)) };
    return [first, { ...after, ...datagram } as Action];
  };
  return [
    {
      name: `${name}: fragments that come before their first are passed on as they are`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(2) },
      actions: [
        send(talk.ask('S'), forwarded(talk.names(2))),
        parts('in', ask, untouched, later),
        parts('out', (chosen) => talk.reply(chosen, 'PA', { payload: LENGTH }), untouched, later),
      ],
      verdicts: { forwarded: 1, fragment: last },
    },
    {
      name: `${name}: the first fragment of another datagram is not theirs`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(2) },
      actions: withFirst(parts('in', ask, untouched, later)),
      verdicts: { forwarded: 1, fragment: last },
    },
  ];
}

function apart(talk: Talk): Case[] {
  const { key, name } = talk;
  const others = { [talk.backend(7)]: 1 };
  const ask = talk.ask('PA', { payload: LENGTH });
  const one = id++;
  const again = (expect: Expectation, order: readonly number[]): Action => ({
    ...{ kind: 'fragments', way: 'in', packet: ask, size: SIZE, id: one, expect, order },
  });
  const count = countOf(talk);
  return [
    {
      name: `${name}: direct traffic in fragments is left alone`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      actions: [
        parts('in', talk.ask('PA', { to: talk.backend(1), payload: LENGTH }), untouched),
        parts('out', talk.reply(talk.backend(1), 'PA', { payload: LENGTH }), untouched),
      ],
    },
    {
      name: `${name}: when the backend is gone, what is left of a datagram is passed on as it is`,
      pools: [talk.pool],
      vips: { [key]: talk.backends(1) },
      actions: [
        again(
          forwarded([talk.backend(1)]),
          Array.from({ length: count }, (_, i) => i),
        ),
        set(key, others),
        again(untouched, [1]),
        again(
          forwarded([talk.backend(7)]),
          Array.from({ length: count }, (_, i) => i),
        ),
      ],
      verdicts: { forwarded: 2 * count, fragment: 1 },
    },
  ];
}
