import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import { type Case, forwarded, hairpinned, refused, send } from '../case.js';
import { type Talk, talks } from './talk.js';

/**
 * A client that is its own backend: it must see the VIP on the other side, or it would answer itself and never find the
 * connection. Both directions pass the client's own interface.
 */
export const hairpinCases: readonly Case[] = talks.flatMap(hairpins);

function hairpins(talk: Talk): Case[] {
  const backend = talk.backend(1);
  const self = formatEndpoint({ address: parseEndpoint(backend).address, port: 40000 });
  const mirror = formatEndpoint({ address: talk.vipAddress, port: 40000 });
  const there = (flags: string) => send(talk.ask(flags, { from: self, payload: 7 }), hairpinned(mirror, backend));
  const back = (flags: string) =>
    send(talk.reply(backend, flags, { to: mirror, payload: 9 }), hairpinned(talk.vip, self));
  return [
    {
      name: `${talk.name}: a client that is its own backend reaches itself through the VIP`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [there('S'), back('SA'), there('A'), there('PA'), back('A'), back('FA'), there('FA'), back('A')],
      verdicts: { hairpinned: 4, replied: 4 },
    },
    {
      name: `${talk.name}: the same for a VIP outside of every pool`,
      vips: { [talk.key]: talk.backends(1) },
      actions: [there('S'), back('SA')],
      verdicts: { hairpinned: 1, replied: 1 },
    },
    {
      name: `${talk.name}: a packet to the VIP's address that answers no such connection is refused`,
      pools: [talk.pool],
      vips: { [talk.key]: talk.backends(1) },
      actions: [send(talk.reply(backend, 'S', { to: mirror }), refused)],
      verdicts: { unserved: 1 },
    },
    {
      name: `${talk.name}: a client that is one of two backends is turned only when it gets itself`,
      pools: [talk.pool],
      vips: { [talk.key]: { [talk.backend(1)]: 0, [talk.backend(2)]: 1 } },
      actions: [send(talk.ask('S', { from: self }), forwarded([talk.backend(2)]))],
      verdicts: { forwarded: 1 },
    },
  ];
}
